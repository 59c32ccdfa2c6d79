/*
 * The shapes of AppArmor's words, as apparmor_parser 4.1's lexer matches them. Each function takes an offset and returns
 * the offset behind the match (the offset itself where nothing matches), reads every character at most a fixed number of
 * times and never goes back, so that a text of any shape is read in linear time.
 */

const BLANK = /[ \t]/;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const EQUALS = 0x3d;
const PLUS = 0x2b;

const ID_STOPS = ' \t\r\n"!,';
const CONDITION_STOPS = ' \t\n"!,=)';
const LIST_STOPS = ' \t\n"!,()';
const INCLUDE_STOPS = ' \t\r\n"!,<>';

type CharacterClass = (code: number) => boolean;

/** Any character but the given ones; end of text (NaN) is in no class. */
function anyBut(stops: string): CharacterClass {
  const table = new Uint8Array(128).fill(1);
  for (const stop of stops) table[stop.charCodeAt(0)] = 0;
  return (code) => (code < 128 ? table[code] === 1 : code >= 128);
}

function anyOf(characters: string): CharacterClass {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return (code) => code < 128 && table[code] === 1;
}

const isIdCharacter = anyBut(ID_STOPS);
const isEscapable = anyOf(' \t"!,');
const isConditionCharacter = anyBut(CONDITION_STOPS);
const isConditionStart = anyBut(`${CONDITION_STOPS}(+&`);
const isListCharacter = anyBut(LIST_STOPS);
const isListEscapable = anyOf(' \t"!,()');
const isIncludeCharacter = anyBut(INCLUDE_STOPS);

export function isBlank(character: string | undefined): boolean {
  return character !== undefined && BLANK.test(character);
}

export function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

function isVariableCharacter(code: number): boolean {
  return isLetter(code) || (code >= 0x30 && code <= 0x39) || code === 0x5f;
}

export function skipBlanks(text: string, start: number): number {
  let at = start;
  for (let code = text.charCodeAt(at); code === 0x20 || code === 0x09; code = text.charCodeAt(at)) at += 1;
  return at;
}

/** Blanks and line ends (LF or CRLF). A lone CR is no line end for the parser. */
export function skipSpace(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 0x20 || code === 0x09 || code === NEWLINE) at += 1;
    else if (code === RETURN && text.charCodeAt(at + 1) === NEWLINE) at += 2;
    else return at;
  }
}

/** A letter, then letters, digits and `_`. */
export function nameEnd(text: string, start: number): number {
  if (!isLetter(text.charCodeAt(start))) return start;
  let at = start + 1;
  while (isVariableCharacter(text.charCodeAt(at))) at += 1;
  return at;
}

/** `{name}` or `name`, what follows `@` and `$`. */
export function variableEnd(text: string, start: number): number {
  if (text[start] !== '{') return nameEnd(text, start);
  const end = nameEnd(text, start + 1);
  return end > start + 1 && text[end] === '}' ? end + 1 : start;
}

/**
 * An unquoted word: braces, parentheses and `#` belong to it, a comma too when a character of a word follows it, and so do
 * blank, `"`, `!` and `,` behind a backslash. `file,}` is therefore one word where the parser expects a name.
 */
export function idEnd(text: string, start: number): number {
  return wordEnd(text, start, isIdCharacter, isEscapable);
}

export function includeWordEnd(text: string, start: number): number {
  return wordEnd(text, start, isIncludeCharacter, isEscapable);
}

function wordEnd(text: string, start: number, isWord: CharacterClass, isEscaped: CharacterClass): number {
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH && isEscaped(text.charCodeAt(at + 1))) at += 2;
    else if (isWord(code)) at += 1;
    else if (code === COMMA && isWord(text.charCodeAt(at + 1))) at += 2;
    else return at;
  }
}

/** A word of the rules that know conditions (`mount`, `dbus`, …): as {@link idEnd}, but without escapes and ended by `=` and `)`. */
export function ruleWordEnd(text: string, start: number): number {
  if (!isConditionStart(text.charCodeAt(start))) return start;
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (isConditionCharacter(code)) at += 1;
    else if (code === COMMA && isConditionCharacter(text.charCodeAt(at + 1))) at += 2;
    else return at;
  }
}

/** The name of a condition in `peer=( … )`. */
export function conditionNameEnd(text: string, start: number): number {
  let at = start;
  while (isConditionCharacter(text.charCodeAt(at))) at += 1;
  return at;
}

/** A value in a parenthesised list. */
export function listValueEnd(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH && isListEscapable(text.charCodeAt(at + 1))) at += 2;
    else if (isListCharacter(code)) at += 1;
    else return at;
  }
}

/**
 * A path, variable with more behind it, namespace or stacked label where a rule or a profile without keyword begins.
 * `@{X}=` and `@{X}+=` are assignments, not labels; `@name=x` without braces is a label (the lexer's longest match).
 */
export function labelEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '/' || first === ':' || first === '&') return idEnd(text, start + 1);
  if (first !== '@') return start;
  const variable = variableEnd(text, start + 1);
  if (variable === start + 1) return start;
  if (text[start + 1] !== '{' && variable > start + 2) {
    const end = idEnd(text, variable);
    return end > variable ? end : start;
  }
  let next = text.charCodeAt(variable);
  if (next === COMMA) next = text.charCodeAt(variable + 1);
  if (next === EQUALS || next === PLUS) return start;
  const end = idEnd(text, variable);
  return end > variable ? end : start;
}

/**
 * A quoted word: it ends at the first `"` that has no backslash before it; if there is none, at the last one that has (the
 * lexer's longest match). Line ends are allowed in it, NUL is not.
 */
export function quotedEnd(text: string, start: number): number {
  if (text.charCodeAt(start) !== QUOTE) return start;
  let escaped = -1;
  let at = text.indexOf('"', start + 1);
  while (at !== -1 && text.charCodeAt(at - 1) === BACKSLASH) {
    escaped = at;
    at = text.indexOf('"', at + 1);
  }
  const last = at === -1 ? escaped : at;
  if (last === -1 || text.slice(start, last).includes('\0')) return start;
  return last + 1;
}
