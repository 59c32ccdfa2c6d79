import { positionsOf, type Position } from './position.ts';
import { printable } from './printable.ts';
import { readProfileRule, readRule, type RuleFacts } from './read-rule.ts';
import type {
  PolicyScan,
  ScannedAbi,
  ScannedInclude,
  ScannedProfile,
  ScannedVariable,
  ScanProblem,
} from './scanned.ts';
import { UnreadablePolicy } from './scanned.ts';
import { describeToken, type Token } from './token.ts';
import { readTokens } from './tokens.ts';

export type { Position } from './position.ts';
export type {
  PolicyScan,
  ScannedAbi,
  ScannedInclude,
  ScannedProfile,
  ScannedVariable,
  ScanProblem,
} from './scanned.ts';

/**
 * Which profiles a policy text defines, which files it includes, and what the review needs to know of its rules, as far as the
 * text alone tells: what an include brings in is not followed. Linear in the length of the text; never throws.
 */
export function scanPolicy(text: string): PolicyScan {
  const position = positionsOf(text);
  const scan: MutableScan = { profiles: [], includes: [], abis: [], variables: [], problems: [] };
  try {
    readStatements(text, position, scan);
  } catch (error) {
    if (!(error instanceof UnreadablePolicy)) throw error;
    scan.problems.push({ message: error.message, position: position(error.at) });
  }
  return scan;
}

interface MutableScan {
  profiles: MutableProfile[];
  includes: ScannedInclude[];
  abis: ScannedAbi[];
  variables: ScannedVariable[];
  problems: ScanProblem[];
}

type MutableProfile = ScannedProfile & RuleFacts;

/** What an open brace belongs to. Blocks are those of `if`, `else` and of qualifiers (`audit deny { … }`). */
interface Frame {
  kind: 'profile' | 'condition' | 'block';
  at: number;
  profile: MutableProfile;
  /** Whether it is the block of a `deny`. */
  denied: boolean;
}

interface Header {
  kind: 'profile' | 'hat';
  at: number;
  nameAt: number;
  name: string;
}

/**
 * Kernel names of children repeat their parents': without a bound, a text of 512 KiB can spell out gigabytes of names. Two
 * parents of the longest allowed name fit.
 */
const LONGEST_PARENT_NAME = 512;

/** Policies need about five, the parser's own corpus has one of 101; what is open is kept in memory. */
const MOST_NESTED = 1000;

const QUALIFIERS: ReadonlySet<string> = new Set(['audit', 'allow', 'deny', 'prompt', 'owner', 'other', 'user']);

function readStatements(text: string, position: (at: number) => Position, scan: MutableScan): void {
  const source = readTokens(text);
  const frames: Frame[] = [];
  /** Whether the last statement was the block of an `if`, which alone an `else` may follow. */
  let afterCondition = false;

  const tokens = {
    next(): Token {
      for (;;) {
        const token = source.next();
        if (token.kind === 'unreadable') throw new UnreadablePolicy(token.at, token.message);
        if (token.kind !== 'include' && token.kind !== 'abi') return token;
        const profile = frames.at(-1)?.profile.name;
        const { path, form } = token;
        const place = { path, form, ...(profile === undefined ? {} : { profile }), position: position(token.at) };
        if (token.kind === 'include') scan.includes.push({ ...place, ifExists: token.ifExists });
        else {
          scan.abis.push(place);
          return token;
        }
      }
    },
  };

  for (;;) {
    const token = tokens.next();
    const frame = frames.at(-1);
    if (frames.length > MOST_NESTED) throw new UnreadablePolicy(token.at, 'blocks are nested too deeply');
    const isElse = token.kind === 'word' && token.text === 'else' && afterCondition;
    afterCondition = false;
    if (frame === undefined) {
      if (token.kind === 'eof') return;
      readTopLevel(token);
    } else if (token.kind === 'close') {
      frames.pop();
      afterCondition = frame.kind === 'condition';
    } else if (isElse) {
      readElse(frame);
    } else {
      readInBody(token, frame);
    }
  }

  function readTopLevel(token: Token): void {
    if (token.kind === 'profile' || token.kind === 'hat') {
      return openProfile({ kind: token.kind, at: token.at, nameAt: token.nameAt, name: token.name.value }, undefined);
    }
    if (token.kind === 'id') {
      return openProfile({ kind: 'profile', at: token.at, nameAt: token.at, name: token.word.value }, undefined);
    }
    if (token.kind === 'variable' || token.kind === 'boolean') return readAssignment(token);
    if (token.kind === 'close') throw new UnreadablePolicy(token.at, "'}' without a '{' before it");
    if (token.kind === 'word' && ['abi', 'alias', 'rewrite'].includes(token.text)) {
      return readRule({ token, start: token.at }, tokens);
    }
    if (token.kind === 'word') {
      throw new UnreadablePolicy(
        token.at,
        `'${printable(token.text)}' cannot stand outside a profile; a profile begins with 'profile NAME {'`,
      );
    }
    throw new UnreadablePolicy(token.at, `${describeToken(token)} cannot stand outside a profile`);
  }

  function readAssignment(variable: VariableToken): void {
    const token = tokens.next();
    if (token.kind === 'assign' && token.values > 0) return noteAssignment(variable, token.operator);
    throw new UnreadablePolicy(variable.at, `expected '=' or '+=' and a value after ${printable(variable.text)}`);
  }

  function noteAssignment({ kind, text, at }: VariableToken, operator: '=' | '+='): void {
    const name = text[1] === '{' ? text.slice(2, -1) : text.slice(1);
    scan.variables.push({ name, kind: kind === 'variable' ? 'set' : 'boolean', operator, position: position(at) });
  }

  function readInBody(token: Token, frame: Frame): void {
    switch (token.kind) {
      case 'eof':
        throw new UnreadablePolicy(frame.at, `the '{' of ${printable(frame.profile.name)} is never closed`);
      case 'profile':
      case 'hat':
        return openProfile({ kind: token.kind, at: token.at, nameAt: token.nameAt, name: token.name.value }, frame);
      case 'open':
        frames.push({ ...frame, kind: 'block', at: token.at });
        return;
      case 'end':
        throw new UnreadablePolicy(token.at, "',' without a rule before it");
      case 'word':
        if (token.text === 'if') return readCondition(token, frame);
        if (token.text === 'else') throw new UnreadablePolicy(token.at, "'else' without 'if { … }' before it");
        return readQualified(token, frame);
      case 'boolean':
        return readAssignment(token);
      case 'variable':
        return readVariableRule(token, frame);
      case 'condition':
        return token.name === 'priority' ? readQualified(tokens.next(), frame) : readRuleIn(frame, token);
      case 'id':
      case 'assign':
      case 'list':
      case 'include':
      case 'abi':
      case 'arrow':
      case 'close':
      case 'unreadable':
        return readRuleIn(frame, token);
    }
  }

  function readRuleIn(frame: Frame, token: Token): void {
    readProfileRule(frame.profile, { token, start: token.at, denied: frame.denied }, tokens, position);
  }

  /** `@{X} rw,`; newer parsers also know `@{X} = …` inside a profile. */
  function readVariableRule(variable: VariableToken, frame: Frame): void {
    const second = tokens.next();
    if (second.kind === 'assign') return noteAssignment(variable, second.operator);
    const head = { token: variable, start: variable.at, denied: frame.denied, second };
    readProfileRule(frame.profile, head, tokens, position);
  }

  /** `audit deny /x w,` or `audit deny { … }`. */
  function readQualified(first: Token, frame: Frame): void {
    let { denied } = frame;
    let token = first;
    while ((token.kind === 'word' && QUALIFIERS.has(token.text)) || isPriority(token)) {
      if (token.kind === 'word' && token.text === 'deny') {
        frame.profile.firstDeny ??= position(token.at);
        denied = true;
      }
      token = tokens.next();
    }
    if (token.kind === 'open') frames.push({ kind: 'block', at: token.at, profile: frame.profile, denied });
    else readProfileRule(frame.profile, { token, start: first.at, denied }, tokens, position);
  }

  function readCondition(condition: Token, frame: Frame): void {
    for (let parts = 0; ; parts += 1) {
      const token = tokens.next();
      if (token.kind === 'open' && parts > 0) {
        frames.push({ ...frame, kind: 'condition', at: token.at });
        return;
      }
      const isWord = token.kind === 'word' && ['not', 'defined', 'and', 'or'].includes(token.text);
      if (isWord || ['variable', 'boolean', 'id', 'list', 'condition'].includes(token.kind)) continue;
      throw new UnreadablePolicy(condition.at, "expected a condition and '{' after 'if'");
    }
  }

  function readElse(frame: Frame): void {
    const token = tokens.next();
    if (token.kind === 'word' && token.text === 'if') return readCondition(token, frame);
    if (token.kind !== 'open') throw new UnreadablePolicy(token.at, "expected '{' or 'if' after 'else'");
    frames.push({ ...frame, kind: 'block', at: token.at });
  }

  /** `NAME ATTACHMENT? xattrs=(…)? flags=(…)? {`, from behind the name. */
  function openProfile(header: Header, outer: Frame | undefined): void {
    const parent = outer?.profile.name;
    if (parent !== undefined && parent.length > LONGEST_PARENT_NAME) {
      throw new UnreadablePolicy(header.at, 'the profiles are nested too deeply, or their names too long');
    }
    if (outer !== undefined && outer.kind !== 'profile') {
      throw new UnreadablePolicy(header.at, 'a profile inside if, else or a rule block: the parser may drop it');
    }
    let token = tokens.next();
    let attachment: string | undefined;
    if (token.kind === 'id' || token.kind === 'variable') {
      attachment = token.kind === 'id' ? token.word.value : token.text;
      token = tokens.next();
    } else if (token.kind === 'word') {
      throw new UnreadablePolicy(
        token.at,
        `expected '{', flags or an attachment after the name of the profile, not '${printable(token.text)}'; a name with blanks needs quotes`,
      );
    }
    if (token.kind === 'condition' && token.name === 'xattrs') token = tokens.next();
    let flags: readonly string[] = [];
    if (token.kind === 'list' || (token.kind === 'condition' && token.name === 'flags')) {
      flags = token.values;
      token = tokens.next();
    }
    if (token.kind !== 'open') throw new UnreadablePolicy(token.at, missingBrace(header, token));
    const profile: MutableProfile = {
      name: parent === undefined ? header.name : `${parent}//${header.name}`,
      kind: header.kind,
      flags,
      position: position(header.nameAt),
      signalRules: [],
      ...(parent === undefined ? {} : { parent }),
      ...(attachment === undefined ? {} : { attachment }),
    };
    scan.profiles.push(profile);
    frames.push({ kind: 'profile', at: token.at, profile, denied: false });
  }
}

type VariableToken = Extract<Token, { kind: 'variable' | 'boolean' }>;

function isPriority(token: Token): boolean {
  return token.kind === 'condition' && token.name === 'priority';
}

function missingBrace(header: Header, token: Token): string {
  if (header.name.includes('{'))
    return `'${printable(header.name)}' is read as the name of the profile; write a blank before '{'`;
  return `expected '{' to begin the profile, not ${describeToken(token)}`;
}
