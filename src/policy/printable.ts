/** For messages: short, and with everything invisible made visible. */
export function printable(name: string): string {
  const short = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN - 1)}…` : name;
  return short.replace(/[\p{C}\p{Z}]/gu, (character) => (character === ' ' ? ' ' : escapeOf(character)));
}

const LONGEST_SHOWN = 80;

function escapeOf(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
