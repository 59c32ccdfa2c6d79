/**
 * Whether a pattern of AppArmor (`*`, `**`, `?`, `[a-z]`, `{a,b}`, `\x`) matches a label without `/`. Not decided by a regular
 * expression, which a hostile pattern can make run for hours: this keeps the set of places in the label that the pattern can
 * have reached. Undefined where it is not sure: variables, and patterns of unusual size or depth.
 */
export function matchesLabel(pattern: string, label: string): boolean | undefined {
  if (pattern.includes('@{') || pattern.length > LONGEST) return undefined;
  const reader = { pattern, at: 0, label, deepest: DEEPEST };
  const reached = readSequence(reader, [0]);
  if (reached === undefined) return undefined;
  return reader.at === pattern.length && reached.includes(label.length);
}

const LONGEST = 128;
const DEEPEST = 4;

interface PatternReader {
  pattern: string;
  at: number;
  label: string;
  /** How much deeper alternations may nest. */
  deepest: number;
}

/** To the end of the pattern or of an alternative. */
function readSequence(reader: PatternReader, from: readonly number[]): readonly number[] | undefined {
  let reached: readonly number[] | undefined = from;
  const inAlternation = reader.deepest < DEEPEST;
  while (reached !== undefined && reader.at < reader.pattern.length) {
    const character = reader.pattern[reader.at];
    if (inAlternation && (character === ',' || character === '}')) break;
    reader.at += 1;
    if (character === '{') reached = readAlternation(reader, reached);
    else if (character === '*') reached = everyPlaceFrom(reached, reader.label.length);
    else reached = step(reader, reached, readCharacterTest(reader, character ?? ''));
  }
  return reached;
}

/** From behind its `{`. */
function readAlternation(reader: PatternReader, from: readonly number[]): readonly number[] | undefined {
  if (reader.deepest === 0) return undefined;
  const reached = new Set<number>();
  reader.deepest -= 1;
  for (let more = true; more; reader.at += 1) {
    const places = readSequence(reader, from);
    if (places === undefined) return undefined;
    for (const place of places) reached.add(place);
    more = reader.pattern[reader.at] === ',';
  }
  reader.deepest += 1;
  return [...reached];
}

function everyPlaceFrom(from: readonly number[], end: number): readonly number[] {
  const first = Math.min(...from, end + 1);
  return Array.from({ length: end + 1 - first }, (_, index) => first + index);
}

function step({ label }: PatternReader, from: readonly number[], test: (character: string) => boolean) {
  return from.filter((place) => place < label.length && test(label.charAt(place))).map((place) => place + 1);
}

function readCharacterTest(reader: PatternReader, character: string): (character: string) => boolean {
  if (character === '?') return () => true;
  if (character === '[') return readClass(reader);
  if (character !== '\\') return (other) => other === character;
  const escaped = reader.pattern.charAt(reader.at);
  reader.at += 1;
  return (other) => other === escaped;
}

/** From behind its `[`. */
function readClass(reader: PatternReader): (character: string) => boolean {
  const end = reader.pattern.indexOf(']', reader.at + 1);
  const content = reader.pattern.slice(reader.at, end === -1 ? undefined : end);
  reader.at += content.length + 1;
  const isNegated = content.startsWith('^');
  const members = isNegated ? content.slice(1) : content;
  return (character) => isMember(members, character) !== isNegated;
}

function isMember(members: string, character: string): boolean {
  for (let at = 0; at < members.length; at += 1) {
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    const last = isRange ? members.charAt(at + 2) : members.charAt(at);
    if (character >= members.charAt(at) && character <= last) return true;
    if (isRange) at += 2;
  }
  return false;
}
