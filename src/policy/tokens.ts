import {
  idEnd,
  isBlank,
  isLetter,
  labelEnd,
  nameEnd,
  quotedEnd,
  ruleWordEnd,
  skipBlanks,
  skipSpace,
  variableEnd,
} from './characters.ts';
import { ifExistsEnd, readConditionList, readList, readPath, withoutQuotes } from './lists.ts';
import type { Token, Word } from './token.ts';

export interface TokenReader {
  next(): Token;
  /** Offsets of line ends inside the quoted words read so far: the parser does not count these lines. */
  quotedLineEnds: readonly number[];
}

/** How the lexer reads until the comma that ends the rule; the names are those of the rule's keyword. */
type Mode = 'initial' | 'rule' | 'mount' | 'change_profile' | 'rlimit' | 'abi' | 'userns';

const MODE_OF_KEYWORD: ReadonlyMap<string, Mode> = new Map([
  ['rlimit', 'rlimit'],
  ['network', 'rule'],
  ['dbus', 'rule'],
  ['signal', 'rule'],
  ['ptrace', 'rule'],
  ['unix', 'rule'],
  ['mqueue', 'rule'],
  ['mount', 'mount'],
  ['remount', 'mount'],
  ['umount', 'mount'],
  ['unmount', 'mount'],
  ['change_profile', 'change_profile'],
  ['abi', 'abi'],
  ['userns', 'userns'],
]);

/**
 * Cuts policy text into the words that apparmor_parser 4.1's own lexer would see. That lexer changes its mind about commas,
 * braces and `#` with the rule it is in (`# not a comment` behind `network`, `foo,}` one word behind `->`), so this one
 * has the same states; guessing by lines or regular expressions finds profiles that are none and misses some that are.
 * What the parser's lexer refuses is `unreadable`, and after it there is only `eof`. A missing last line end is no fault:
 * the compiler is given one.
 */
export function readTokens(text: string): TokenReader {
  let at = 0;
  let mode: Mode = 'initial';
  const quotedLineEnds: number[] = [];

  function lineEnd(start: number): number {
    const end = text.indexOf('\n', start);
    return end === -1 ? text.length : end;
  }

  function unreadable(where: number, message: string): Token {
    at = text.length;
    mode = 'initial';
    return { kind: 'unreadable', at: where, message };
  }

  function unexpected(where: number): Token {
    if (where >= text.length) return unreadable(where, 'the text ends in the middle of a rule');
    if (text[where] === '"') return unreadable(where, 'a quoted string is not closed, or not allowed here');
    return unreadable(where, `unexpected ${describeCharacter(text, where)}`);
  }

  function wordTo(start: number, end: number): Word {
    at = end;
    const raw = text.slice(start, end);
    if (raw[0] === '"') {
      for (let line = raw.indexOf('\n'); line !== -1; line = raw.indexOf('\n', line + 1))
        quotedLineEnds.push(start + line);
    }
    return { raw, value: withoutQuotes(raw) };
  }

  function idOrQuoted(start: number): Word | undefined {
    const quoted = quotedEnd(text, start);
    if (quoted > start) return wordTo(start, quoted);
    const end = idEnd(text, start);
    return end > start ? wordTo(start, end) : undefined;
  }

  function named(kind: 'profile' | 'hat', start: number, nameAt: number): Token {
    const name = idOrQuoted(nameAt);
    if (name !== undefined) return { kind, at: start, name, nameAt };
    return unreadable(nameAt, `no name follows '${text.slice(start, nameAt).trim()}' on the same line`);
  }

  function assignment(start: number, operator: '=' | '+='): Token {
    at = start + operator.length;
    for (let values = 0; ; values += 1) {
      at = skipBlanks(text, at);
      while (text.startsWith('\\\n', at)) at = skipBlanks(text, at + 2);
      const isComment = text[at] === '#';
      if (isComment) at = lineEnd(at);
      if (isComment || at >= text.length || text[at] === '\n' || text.startsWith('\r\n', at)) {
        return { kind: 'assign', at: start, operator, values };
      }
      const before = at;
      if (idOrQuoted(at) === undefined) return unexpected(before);
    }
  }

  function list(start: number): Token {
    const reading = readList(text, start);
    if ('unexpected' in reading) return unexpected(reading.unexpected);
    at = reading.end;
    return { kind: 'list', at: start, values: reading.values };
  }

  function condition(start: number, name: string, equals: number): Token {
    const value = skipBlanks(text, equals + 1);
    if (name === 'peer' || name === 'xattrs') {
      const reading = text[value] === '(' ? readConditionList(text, value) : undefined;
      if (reading !== undefined && 'unexpected' in reading) return unexpected(reading.unexpected);
      if (reading !== undefined) {
        at = reading.end;
        return { kind: 'condition', at: start, name, values: reading.values };
      }
    }
    const open = text[value] === '\n' ? skipSpace(text, value) : value;
    if (text[open] === '(') return listCondition(start, name, open);
    const word = idOrQuoted(value);
    return word === undefined ? unexpected(value) : { kind: 'condition', at: start, name, values: [word.value] };
  }

  function listCondition(start: number, name: string, open: number): Token {
    const values = list(open);
    return values.kind === 'list' ? { kind: 'condition', at: start, name, values: values.values } : values;
  }

  /** `name = …`, `name in ( … )`: recognised wherever a bare word may stand. */
  function conditionAt(start: number, end: number): Token | undefined {
    if (end === start) return undefined;
    const next = skipBlanks(text, end);
    if (text[next] === '=') return condition(start, text.slice(start, end), next);
    if (next === end || !text.startsWith('in', next)) return undefined;
    const open = skipBlanks(text, next + 2);
    return text[open] === '(' ? listCondition(start, text.slice(start, end), open) : undefined;
  }

  function include(start: number, directiveEnd: number): Token {
    const exists = ifExistsEnd(text, directiveEnd);
    const reading = readPath(text, skipSpace(text, exists ?? directiveEnd));
    if (reading === undefined) return unreadable(start, 'the include names no file');
    at = reading.end;
    return { kind: 'include', at: start, path: reading.path, form: reading.form, ifExists: exists !== undefined };
  }

  function bareWord(start: number): Token {
    const end = nameEnd(text, start);
    const token = conditionAt(start, end);
    if (token !== undefined) return token;
    const word = text.slice(start, end);
    if (word === 'profile' || word === 'hat') return named(word, start, skipBlanks(text, end));
    if (word === 'include' && isBlank(text[end])) return include(start, end);
    mode = MODE_OF_KEYWORD.get(word) ?? 'initial';
    at = end;
    return { kind: 'word', at: start, text: word };
  }

  function arrow(start: number): Token {
    const target = skipSpace(text, start + 2);
    return idOrQuoted(target) === undefined ? unexpected(target) : { kind: 'arrow', at: start };
  }

  function single(kind: 'open' | 'close' | 'end', start: number): Token {
    at = start + 1;
    return { kind, at: start };
  }

  function initial(start: number): Token {
    switch (text.charAt(start)) {
      case '{':
        return single('open', start);
      case '}':
        return single('close', start);
      case ',':
        return single('end', start);
      case '(':
        return list(start);
      case '^':
        return named('hat', start, start + 1);
      case '=':
        return assignment(start, '=');
      case '+':
        return text[start + 1] === '=' ? assignment(start, '+=') : unexpected(start);
      case '-':
        return text[start + 1] === '>' ? arrow(start) : unexpected(start);
      case '$':
        return variable('boolean', start);
      case '"':
        return '/@:&'.includes(text[start + 1] ?? ' ') ? label(start) : unexpected(start);
      default:
        return isLetter(text.charCodeAt(start)) ? bareWord(start) : label(start);
    }
  }

  function variable(kind: 'variable' | 'boolean', start: number): Token {
    const end = variableEnd(text, start + 1);
    if (end === start + 1) return unexpected(start);
    at = end;
    return { kind, at: start, text: text.slice(start, end) };
  }

  function label(start: number): Token {
    const quoted = quotedEnd(text, start);
    const end = quoted > start ? quoted : labelEnd(text, start);
    if (end > start) return { kind: 'id', at: start, word: wordTo(start, end) };
    return text[start] === '@' ? variable('variable', start) : unexpected(start);
  }

  /** Inside the rules that have a language of their own; the comma that ends the rule leads back. */
  function inRule(start: number): Token {
    const quoted = quotedEnd(text, start);
    const character = text[start];
    switch (mode) {
      case 'change_profile': {
        if (text.startsWith('->', start) && idEnd(text, start) === start + 2) return arrow(start);
        const word = idOrQuoted(start);
        if (word !== undefined) return { kind: 'id', at: start, word };
        break;
      }
      case 'abi': {
        const reading = readPath(text, start);
        if (reading === undefined) break;
        at = reading.end;
        return { kind: 'abi', at: start, path: reading.path, form: reading.form };
      }
      case 'rlimit':
      case 'userns': {
        const end = plainEnd(text, start);
        if (end > start) return { kind: 'id', at: start, word: wordTo(start, end) };
        break;
      }
      case 'initial':
      case 'mount':
      case 'rule': {
        if (character === '(' && mode === 'rule') return list(start);
        const token = conditionAt(start, nameEnd(text, start));
        if (token !== undefined) return token;
        const end = quoted > start ? quoted : Math.max(ruleWordEnd(text, start), labelEnd(text, start));
        if (end > start) return { kind: 'id', at: start, word: wordTo(start, end) };
        break;
      }
    }
    if (character !== ',') return unexpected(start);
    mode = 'initial';
    return single('end', start);
  }

  function next(): Token {
    for (;;) {
      at = skipSpace(text, at);
      if (at >= text.length) return { kind: 'eof', at: text.length };
      if (mode !== 'initial') return inRule(at);
      if (text[at] !== '#') return initial(at);
      if (text.startsWith('#include', at)) return include(at, at + '#include'.length);
      at = lineEnd(at);
    }
  }

  return { next, quotedLineEnds };
}

/** What `set rlimit` and `userns` know: letters, digits, `_`, a sign and `<=`. */
function plainEnd(text: string, start: number): number {
  if (text.startsWith('<=', start)) return start + 2;
  const first = text[start] === '-' ? start + 1 : start;
  let end = first;
  while (/[A-Za-z0-9_]/.test(text.charAt(end))) end += 1;
  return end > first ? end : start;
}

function describeCharacter(text: string, at: number): string {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
  if (!/[\p{C}\p{Z}]/u.test(character)) return `'${character}'`;
  const code = character.codePointAt(0) ?? 0;
  return `character U+${code.toString(16).padStart(4, '0').toUpperCase()}`;
}
