import { parseDocument } from 'yaml';
import { isRecord } from '../../api/json.ts';
import { API_GROUP } from '../../api/names.ts';
import { positionsOf, type Position } from '../../policy/position.ts';
import { inputKind } from './input-kind.ts';
import { objectPositions, type ObjectPositions } from './node-positions.ts';
import type { DocumentSource } from './scalar-positions.ts';
import type { FieldPath } from './schema.ts';
import { yamlBoundsFault } from './yaml-bounds.ts';

/** One thing to lint, and where its parts stand in the file. */
export interface LintInput extends ObjectPositions {
  file: string;
  kind: 'object' | 'policy';
  /** The AppArmorProfile as written, of any shape; for a policy file one made up around the text. */
  value: unknown;
}

export interface LintDocuments {
  inputs: readonly LintInput[];
  /** Objects of other kinds. */
  ignored: number;
  /** What makes the file, or a document of it, unreadable. */
  problems: readonly InputProblem[];
}

export interface InputProblem {
  message: string;
  position?: Position;
}

/** Of one YAML document that may hold an AppArmorProfile: parsing one of many small nodes takes seconds for a megabyte. */
export const MOST_DOCUMENT_CHARACTERS = 4 * 2 ** 20;

/** All that a file holds. `name` is the file's; it decides only by its ending. */
export function readDocuments(name: string, text: string): LintDocuments {
  const kind = inputKind(name, text);
  if (kind === 'objects') return readObjects(name, text);
  if (kind === 'policy') return { inputs: [policyInput(name, text)], ignored: 0, problems: [] };
  return { inputs: [], ignored: 0, problems: [{ message: text.trim() === '' ? 'is empty' : NEITHER }] };
}

const NEITHER =
  'is neither YAML or JSON with Kubernetes objects (apiVersion, kind) nor an AppArmor policy, which begins with an include, ' +
  'a variable or `profile NAME {`';

function policyInput(file: string, policy: string): LintInput {
  return {
    file,
    kind: 'policy',
    value: { spec: { policy } },
    fieldPosition: () => ({ line: 1, column: 1 }),
    textPosition: (_path, position) => position,
  };
}

/** A file that is something else altogether has one in every document. */
const MOST_PROBLEMS = 20;

function readObjects(file: string, text: string): LintDocuments {
  const inputs: LintInput[] = [];
  const problems: InputProblem[] = [];
  let ignored = 0;
  const documents = splitDocuments(text).filter(({ document }) => !isBlank(document));
  if (documents.length === 0) problems.push({ message: 'holds no Kubernetes object' });
  // Once for all documents: it costs a pass over the file.
  const inFile = positionsOf(text);
  for (const document of documents) {
    const read = readDocument({ file, text, inFile, ...document });
    inputs.push(...read.inputs);
    problems.push(...read.problems);
    ignored += read.ignored;
    if (problems.length === MOST_PROBLEMS) break;
  }
  return { inputs, ignored, problems };
}

interface Source extends DocumentSource {
  file: string;
  document: string;
}

/** At the lines that begin with `---`, as kubectl does it: YAML allows such a line nowhere inside a document. */
function splitDocuments(text: string): Pick<Source, 'document' | 'offset'>[] {
  const starts = [0, ...[...text.matchAll(/^---(?=\s|$)/gm)].map(({ index }) => index).filter((index) => index > 0)];
  return starts.map((offset, index) => ({ offset, document: text.slice(offset, starts[index + 1]) }));
}

/** Nothing but a comment, a directive or a mark. */
const BLANK_LINE = /^\s*(?:#.*)?$|^(?:---|\.\.\.)\s*(?:#.*)?$|^%/;

function isBlank(document: string): boolean {
  return document.split('\n').every((line) => BLANK_LINE.test(line));
}

function readDocument(source: Source): LintDocuments {
  const { document: text } = source;
  if (!text.includes('AppArmorProfile') && isObjectText(text)) return { inputs: [], ignored: 1, problems: [] };
  if (text.length > MOST_DOCUMENT_CHARACTERS) {
    return unreadable(
      source,
      `this document has ${text.length} characters, at most ${MOST_DOCUMENT_CHARACTERS} are read`,
    );
  }
  const fault = yamlBoundsFault(text);
  if (fault !== undefined) return unreadable(source, `this document ${fault}`);
  const document = parseDocument(text, {
    // kubectl reads YAML 1.1 (`yes` is true), but without its types for times.
    version: '1.1',
    customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || !NOT_KUBECTLS.test(tag.tag)),
    // As in JSON, which kubectl makes of it.
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const [error] = document.errors;
  if (error !== undefined) return unreadable(source, `this document is no YAML: ${error.message}`, error.pos[0]);
  const value = valueOf(() => document.toJS() as unknown);
  if (value instanceof Error) return unreadable(source, `this document is no YAML: ${value.message}`);
  if (!isRecord(value) || typeof value['kind'] !== 'string') {
    return unreadable(source, 'this document is no Kubernetes object: it has no apiVersion and kind');
  }
  const { found, ignored } = findProfiles(value);
  const inputs = found.map(({ value, path }): LintInput => ({
    file: source.file,
    kind: 'object',
    value,
    ...objectPositions(source, document, path),
  }));
  return { inputs, ignored, problems: [] };
}

/** Enough for the many objects of other kinds in a rendered chart, whose parsing would take most of the time. */
function isObjectText(text: string): boolean {
  return /^["']?kind["']?[ \t]*:/m.test(text) || (text.trimStart().startsWith('{') && text.includes('"kind"'));
}

const NOT_KUBECTLS = /:(?:timestamp|binary)$/;

/** An alias that nothing is named like, and aliases of aliases that grow without end, come out only here. */
function valueOf(toJs: () => unknown): unknown {
  try {
    return toJs();
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError) return error;
    throw error;
  }
}

function unreadable({ inFile, document, offset }: Source, message: string, at = firstSolid(document)): LintDocuments {
  const hint = document.includes('{{') ? TEMPLATE_HINT : '';
  return { inputs: [], ignored: 0, problems: [{ message: message + hint, position: inFile(offset + at) }] };
}

const TEMPLATE_HINT = ' (a template? lint what it renders to, as in `helm template … | kubectl apparmor lint -`)';

/** Offset of the first line that says something. */
function firstSolid(document: string): number {
  let at = 0;
  for (const line of document.split('\n')) {
    if (!BLANK_LINE.test(line)) break;
    at += line.length + 1;
  }
  return at;
}

interface FoundProfile {
  value: Record<string, unknown>;
  path: FieldPath;
}

/** Looks into lists: `v1 List`, as kubectl prints it, and AppArmorProfileList, whose items may be without a kind. */
function findProfiles(root: Record<string, unknown>): { found: readonly FoundProfile[]; ignored: number } {
  const found: FoundProfile[] = [];
  let ignored = 0;
  const visit = (value: unknown, path: FieldPath): void => {
    if (!isRecord(value)) {
      ignored += 1;
      return;
    }
    const { kind, apiVersion, items } = value;
    if (kind === 'AppArmorProfile' && isOurs(apiVersion)) found.push({ value, path });
    else if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
      const implied = kind === 'List' ? {} : { kind: kind.slice(0, -'List'.length), apiVersion };
      for (const [index, item] of items.entries()) {
        visit(isRecord(item) ? { ...implied, ...item } : item, [...path, 'items', index]);
      }
    } else ignored += 1;
  };
  visit(root, []);
  return { found, ignored };
}

/** Other operators have a kind of this name; one without a group is taken for ours, so that it is not passed over. */
function isOurs(apiVersion: unknown): boolean {
  return typeof apiVersion !== 'string' || apiVersion.startsWith(`${API_GROUP}/`);
}
