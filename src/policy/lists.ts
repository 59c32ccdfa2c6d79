import {
  conditionNameEnd,
  includeWordEnd,
  isBlank,
  listValueEnd,
  quotedEnd,
  skipBlanks,
  skipSpace,
} from './characters.ts';

/** What was read and the offset behind it, or the offset of the character that does not belong there. */
export type ListReading = { values: readonly string[]; end: number } | { unexpected: number };

export function withoutQuotes(raw: string): string {
  return raw[0] === '"' ? raw.slice(1, -1) : raw;
}

/** `( a, b "c d" )`, from its parenthesis. */
export function readList(text: string, open: number): ListReading {
  const values: string[] = [];
  let at = open + 1;
  for (;;) {
    at = skipSpace(text, at);
    const character = text[at];
    if (character === ')') return { values, end: at + 1 };
    if (character === ',') {
      at += 1;
      continue;
    }
    const end = valueEnd(text, at);
    if (end === at) return { unexpected: at };
    values.push(withoutQuotes(text.slice(at, end)));
    at = end;
  }
}

/** `(label=a addr=(b c))`, from its first parenthesis. The names only: nothing that is read here depends on the values. */
export function readConditionList(text: string, open: number): ListReading {
  const values: string[] = [];
  let expects: 'name' | 'value' | 'values' = 'name';
  let at = open + 1;
  for (;;) {
    at = skipSpace(text, at);
    const character = text[at];
    if (expects === 'name' && character === ')') return { values, end: at + 1 };
    if (expects === 'values' && character === ')') {
      expects = 'name';
      at += 1;
    } else if (expects === 'name' && character === ',') {
      at += 1;
    } else if (expects === 'name' && character === '=') {
      const next = skipBlanks(text, at + 1);
      expects = text[next] === '(' ? 'values' : 'value';
      at = expects === 'values' ? next + 1 : at + 1;
    } else {
      const end = expects === 'name' ? conditionNameEnd(text, at) : valueEnd(text, at);
      if (end === at) return { unexpected: at };
      if (expects === 'name') values.push(text.slice(at, end));
      else if (expects === 'value') expects = 'name';
      at = end;
    }
  }
}

function valueEnd(text: string, start: number): number {
  const quoted = quotedEnd(text, start);
  return quoted > start ? quoted : listValueEnd(text, start);
}

export interface PathReading {
  path: string;
  form: 'magic' | 'quoted' | 'bare';
  end: number;
}

/** `<path>`, `<"path">`, `"path"` or `path`, as `include` and `abi` name files. */
export function readPath(text: string, start: number): PathReading | undefined {
  if (text[start] === '<') return readMagicPath(text, start);
  const quoted = quotedEnd(text, start);
  if (quoted > start) return { path: text.slice(start + 1, quoted - 1), form: 'quoted', end: quoted };
  const end = includeWordEnd(text, start);
  return end > start ? { path: text.slice(start, end), form: 'bare', end } : undefined;
}

function readMagicPath(text: string, start: number): PathReading | undefined {
  const inner = start + 1;
  const quoted = quotedEnd(text, inner);
  if (quoted > inner && text[quoted] === '>') {
    return { path: text.slice(inner + 1, quoted - 1), form: 'magic', end: quoted + 1 };
  }
  let end = inner;
  while (end < text.length && !'">\t\r\n'.includes(text.charAt(end))) end += 1;
  if (end === inner || text[end] !== '>') return undefined;
  return { path: text.slice(inner, end).trim(), form: 'magic', end: end + 1 };
}

/** The offset behind ` if exists`, from behind `include`; undefined if that does not follow. */
export function ifExistsEnd(text: string, start: number): number | undefined {
  const condition = skipBlanks(text, start);
  if (condition === start || !text.startsWith('if', condition)) return undefined;
  const exists = skipBlanks(text, condition + 2);
  if (exists === condition + 2 || !text.startsWith('exists', exists)) return undefined;
  const end = exists + 'exists'.length;
  return isBlank(text[end]) ? end : undefined;
}
