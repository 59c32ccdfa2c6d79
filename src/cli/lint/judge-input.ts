import type { TrialText } from '../../admission/review/trial.ts';
import { judge, policyTexts, type TextFinding, type Verdict } from '../../admission/review/verdict.ts';
import { API_GROUP, API_VERSION } from '../../api/names.ts';
import type { AppArmorProfile, AppArmorProfileSpec } from '../../api/generated/index.ts';
import { isRecord } from '../../api/json.ts';
import { printable } from '../../policy/printable.ts';
import { scanPolicy, type ScannedProfile } from '../../policy/scan.ts';
import type { LintInput } from './documents.ts';
import type { PlacedFinding } from './report.ts';
import { schemaFaults, type FieldPath, type SchemaFault } from './schema.ts';

/** An input and what the rules say of it, before it is compared with others and compiled. */
export interface JudgedInput {
  input: LintInput;
  object: string | null;
  /** Of all texts, each name once. */
  profiles: readonly ScannedProfile[];
  findings: readonly PlacedFinding[];
  /** What can be compiled: none if a rule refuses the object. */
  texts: readonly TrialText[];
  mode?: NonNullable<AppArmorProfileSpec['mode']>;
  nodeSelector: Readonly<Record<string, string>>;
}

/** The schema, which the API server checks, and then the rules of the review. Pure. */
export function judgeInput(input: LintInput): JudgedInput {
  const faults = input.kind === 'policy' ? [] : [...identityFaults(input.value), ...schemaFaults(input.value)];
  const object = objectName(input.value);
  const schemaFindings = faults.map((fault) => schemaFinding(input, fault));
  if (faults.some(({ unusable }) => unusable))
    return { input, object, profiles: [], findings: schemaFindings, texts: [], nodeSelector: {} };

  const profile = asProfile(input.value);
  const { mode, nodeSelector = {} } = profile.spec;
  const texts = policyTexts(profile.spec);
  const findings = [...schemaFindings, ...reviewFindings(judge(profile)).map((finding) => placed(input, finding))];
  return {
    input,
    object,
    profiles: profilesOf(texts),
    findings,
    texts: findings.some(({ severity }) => severity === 'error') ? [] : texts,
    nodeSelector,
    ...(mode === undefined ? {} : { mode }),
  };
}

function reviewFindings(verdict: Verdict): readonly TextFinding[] {
  return verdict.kind === 'refused' ? [...verdict.errors, ...verdict.warnings] : verdict.warnings;
}

function profilesOf(texts: readonly TrialText[]): ScannedProfile[] {
  const byName = new Map<string, ScannedProfile>();
  for (const profile of texts.flatMap(({ text }) => scanPolicy(text).profiles)) {
    if (!byName.has(profile.name)) byName.set(profile.name, profile);
  }
  return [...byName.values()];
}

/** Puts a finding of the review where it stands in the file. */
export function placed(input: LintInput, { field, position, ...finding }: TextFinding): PlacedFinding {
  const path = ['spec', ...pathOf(field)];
  const inFile = (position && input.textPosition(path, position)) ?? input.fieldPosition(path);
  const { rule, severity, message, remedy } = finding;
  return {
    rule,
    severity,
    field,
    line: position?.line ?? null,
    column: position?.column ?? null,
    fileLine: inFile.line,
    fileColumn: inFile.column,
    message,
    remedy,
  };
}

/** `variants[0].policy` and `pods.selector.matchLabels["a.b"]` as the names and indexes that lead there. */
export function pathOf(field: string): FieldPath {
  return Array.from(field.matchAll(/\[(\d+)\]|\["?(.*?)"?\]|([^.[\]]+)/g), ([, index, key, name]) =>
    index === undefined ? (key ?? name ?? '') : Number(index),
  );
}

function schemaFinding(input: LintInput, { path, message, remedy }: SchemaFault): PlacedFinding {
  const { line, column } = input.fieldPosition(path);
  const place = { field: null, line: null, column: null, fileLine: line, fileColumn: column };
  return { rule: 'schema', severity: 'error', ...place, message, remedy };
}

function objectName(value: unknown): string | null {
  const metadata = isRecord(value) ? value['metadata'] : undefined;
  const name = isRecord(metadata) ? metadata['name'] : undefined;
  return typeof name === 'string' ? name : null;
}

/** What the API server demands of every object, and the CRD's schema therefore does not mention. */
function identityFaults(value: unknown): SchemaFault[] {
  if (!isRecord(value)) return [];
  const faults: SchemaFault[] = [];
  const fault = (path: FieldPath, message: string, remedy: string): void => {
    faults.push({ path, message, remedy, unusable: false });
  };
  const apiVersion = `${API_GROUP}/${API_VERSION}`;
  if (value['apiVersion'] !== apiVersion) {
    const found = typeof value['apiVersion'] === 'string' ? `not ${printable(value['apiVersion'])}` : 'and is missing';
    fault(['apiVersion'], `apiVersion must be ${apiVersion}, ${found}`, `write apiVersion: ${apiVersion}`);
  }
  const metadata = isRecord(value['metadata']) ? value['metadata'] : {};
  const { name, generateName } = metadata;
  if (name === undefined && typeof generateName === 'string') return faults;
  if (typeof name !== 'string')
    fault(['metadata', 'name'], 'metadata.name is missing or no text', 'give the object a name');
  else if (name.length > LONGEST_OBJECT_NAME || !OBJECT_NAME.test(name)) {
    fault(
      ['metadata', 'name'],
      `metadata.name ${printable(name)} is no name for an object`,
      'use lower-case letters, digits, - and ., at most 253; the names of the profiles in the text are free of this',
    );
  }
  return faults;
}

const LONGEST_OBJECT_NAME = 253;
const OBJECT_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** After the schema was found to be right in all that matters here. Nulls are absent, as the API server has it. */
function asProfile(value: unknown): AppArmorProfile {
  const { metadata, spec } = withoutNulls(value) as Pick<AppArmorProfile, 'spec'> & { metadata?: object };
  const made = { name: '', uid: '', resourceVersion: '', creationTimestamp: '' };
  return { metadata: { ...made, ...metadata }, spec };
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(entries.map(([name, member]) => [name, withoutNulls(member)]));
}
