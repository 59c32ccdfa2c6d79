import type { Position } from './position.ts';
import type { ScannedSignalRule } from './scanned.ts';
import { UnreadablePolicy } from './scanned.ts';
import type { Token } from './token.ts';

/** How a rule begins. */
export interface RuleHead {
  /** The first word behind its qualifiers. */
  token: Token;
  /** Where its qualifiers begin. */
  start: number;
  /** The next word, where it was read already. */
  second?: Token;
}

export interface TokenSource {
  next(): Token;
}

/** Reads to the comma that ends the rule. @throws UnreadablePolicy where it does not end with one. */
export function readRule(head: RuleHead, tokens: TokenSource, see?: (token: Token) => void): void {
  let token = head.token;
  for (let second = head.second; token.kind !== 'end'; second = undefined) {
    if (token.kind === 'open') {
      throw new UnreadablePolicy(
        token.at,
        "'{' inside a rule: a ',' is missing before it, or 'profile' in front of a name",
      );
    }
    if (token.kind === 'close' || token.kind === 'eof' || token.kind === 'profile' || token.kind === 'hat') {
      throw new UnreadablePolicy(head.start, "the rule does not end with ','");
    }
    see?.(token);
    token = second ?? tokens.next();
  }
}

/** What the review needs to know of the rules of a profile: the languages of all others are the parser's alone. */
export interface RuleFacts {
  firstFileRule?: Position;
  allowsAll?: Position;
  signalRules: ScannedSignalRule[];
}

/** Reads a rule of a profile, and notes what it is. */
export function readProfileRule(
  facts: RuleFacts,
  head: RuleHead & { denied: boolean },
  tokens: TokenSource,
  position: (at: number) => Position,
): void {
  if (head.token.kind === 'word' && head.token.text === 'signal') {
    facts.signalRules.push(readSignalRule(head, tokens, position));
    return;
  }
  const second = head.second ?? (head.token.kind === 'word' ? tokens.next() : undefined);
  readRule(second === undefined ? head : { ...head, second }, tokens);
  if (head.denied) return;
  if (isFileRule(head.token, second)) facts.firstFileRule ??= position(head.start);
  else if (head.token.kind === 'word' && head.token.text === 'all') facts.allowsAll ??= position(head.start);
}

/** `/x rw,`, `@{X} r,`, `file,`, `rw /x,` */
function isFileRule(head: Token, second: Token | undefined): boolean {
  if (head.kind === 'id' || head.kind === 'variable') return true;
  if (head.kind !== 'word') return false;
  if (head.text === 'file') return true;
  return (second?.kind === 'id' || second?.kind === 'variable') && FILE_PERMISSIONS.test(head.text);
}

const FILE_PERMISSIONS = /^[RrWwaLlMmkXxPpCcIiUu]{1,20}$/;

function readSignalRule(
  head: RuleHead & { denied: boolean },
  tokens: TokenSource,
  position: (at: number) => Position,
): ScannedSignalRule {
  /** Without any, a rule means every access. */
  let namesAccess = false;
  let namesReceive = false;
  let signals: readonly string[] | undefined;
  let peer: string | undefined;
  const addAccess = (words: readonly string[]): void => {
    namesAccess ||= words.length > 0;
    namesReceive ||= words.some(isReceive);
  };
  readRule(head, tokens, (token) => {
    if (token.kind === 'id') addAccess([token.word.value]);
    else if (token.kind === 'list') addAccess(token.values);
    else if (token.kind === 'condition' && token.name === 'set') signals = token.values;
    else if (token.kind === 'condition' && token.name === 'peer') [peer] = token.values;
  });
  return {
    position: position(head.start),
    denied: head.denied,
    receives: namesReceive || !namesAccess,
    ...(signals === undefined ? {} : { signals }),
    ...(peer === undefined ? {} : { peer }),
  };
}

function isReceive(word: string): boolean {
  return word === 'receive' || word === 'read' || (/^[rw]+$/i.test(word) && /r/i.test(word));
}
