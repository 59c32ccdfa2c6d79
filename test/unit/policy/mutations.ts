import { ODD_NAMES, RULES, USUAL_NAMES, WORDS } from './mutation-words.ts';

/** Numbers from 0 up to 1, the same ones for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Mutated {
  /** Which kinds of mutation made it, in order. */
  kinds: readonly string[];
  text: string;
}

/** One to four mutations of one of the texts, mostly one, or a policy put together from words. */
export function mutate(texts: readonly string[], random: () => number): Mutated {
  const pick = picker(random);
  if (random() < 0.35) return { kinds: ['composed'], text: compose(random) };
  let text = pick(texts);
  const kinds: string[] = [];
  const rounds = 1 + Math.floor(random() ** 2 * 4);
  for (let round = 0; round < rounds; round += 1) {
    const [kind, change] = pick(MUTATIONS);
    kinds.push(kind);
    text = change(text, { random, texts }).slice(0, LONGEST);
  }
  return { kinds, text };
}

/** What the parser needs long for finds nothing that a shorter text would not. */
const LONGEST = 20_000;

interface Material {
  random: () => number;
  texts: readonly string[];
}

function picker(random: () => number) {
  return <T>(from: readonly T[]): T => {
    const found = from[Math.floor(random() * from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  };
}

type Mutation = (text: string, material: Material) => string;

const MUTATIONS: readonly [kind: string, change: Mutation][] = [
  ['insert word', (text, { random }) => replaced(text, at(text, random), 0, picker(random)(WORDS))],
  [
    'insert a part',
    (text, { random }) => {
      const places = [...text.matchAll(/[,{}]\s/g)].map(({ index }) => index + 1);
      if (places.length === 0) return text;
      const part = picker(random)([() => picker(random)(RULES), () => bodyOf(random, 1), () => compose(random)])();
      return replaced(text, picker(random)(places), 0, `\n${part}`);
    },
  ],
  [
    'rename',
    (text, { random }) => {
      const names = [...text.matchAll(/(?<=\bprofile |\^)[\w./-]+/g)];
      if (names.length === 0) return text;
      const { index, 0: name } = picker(random)(names);
      return replaced(text, index, name.length, nameFrom(random));
    },
  ],
  ['insert words', (text, { random }) => replaced(text, at(text, random), 0, phrase(random, 5))],
  ['delete', (text, { random }) => replaced(text, at(text, random), length(random), '')],
  ['replace', (text, { random }) => replaced(text, at(text, random), length(random), picker(random)(WORDS))],
  [
    'repeat',
    (text, { random }) => {
      const start = at(text, random);
      const part = text.slice(start, start + length(random) * 4);
      return replaced(text, start, 0, part.repeat(1 + Math.floor(random() * 20)));
    },
  ],
  ['cut short', (text, { random }) => text.slice(0, at(text, random))],
  [
    'join',
    (text, { random, texts }) => {
      const other = picker(random)(texts);
      return replaced(text, at(text, random), 0, other.slice(at(other, random)));
    },
  ],
  ['append', (text, { random, texts }) => `${text}\n${picker(random)(texts)}`],
  ['nest', (text, { random }) => `profile n${Math.floor(random() * 9)} {\n${text}\n}\n`],
  [
    'move a line',
    (text, { random }) => {
      const lines = text.split('\n');
      const [line = ''] = lines.splice(Math.floor(random() * lines.length), 1);
      lines.splice(Math.floor(random() * (lines.length + 1)), 0, line);
      return lines.join('\n');
    },
  ],
  [
    'join lines',
    (text, { random }) => replaced(text, text.indexOf('\n', at(text, random)), 1, picker(random)(['', ' ', '\\\n'])),
  ],
  [
    'change a character',
    (text, { random }) => replaced(text, at(text, random), 1, String.fromCharCode(Math.floor(random() * 256))),
  ],
];

function at(text: string, random: () => number): number {
  return Math.floor(random() * (text.length + 1));
}

function length(random: () => number): number {
  return 1 + Math.floor(random() ** 3 * 60);
}

function replaced(text: string, start: number, count: number, by: string): string {
  if (start < 0) return text;
  return text.slice(0, start) + by + text.slice(start + count);
}

function phrase(random: () => number, most: number): string {
  return Array.from({ length: 1 + Math.floor(random() * most) }, () => picker(random)(WORDS)).join('');
}

function nameFrom(random: () => number): string {
  const name = picker(random)(random() < 0.85 ? USUAL_NAMES : ODD_NAMES);
  // Mostly different from what the text has already.
  return random() < 0.7 && /^[\w.-]+$/.test(name) ? `${name}${Math.floor(random() * 1000)}` : name;
}

function spaceFrom(random: () => number): string {
  return picker(random)([' ', ' ', ' ', '\n', '\t', ' # c\n', '  ', '\r\n']);
}

function headerFrom(random: () => number): string {
  return picker(random)([
    ' ',
    ' ',
    ' ',
    '\n',
    ' /bin/x ',
    ' flags=(complain) ',
    ' (audit) ',
    ' flags = ( kill ) ',
    ' flags=(attach_disconnected,unconfined)',
    random() < 0.1 ? '' : ' ',
  ]);
}

function bodyOf(random: () => number, depth: number): string {
  let text = '';
  for (let parts = Math.floor(random() * 5); parts > 0; parts -= 1) text += partOf(random, depth);
  return text;
}

function partOf(random: () => number, depth: number): string {
  const pick = picker(random);
  const space = spaceFrom(random);
  const kind = random();
  if (depth > 0 && kind < 0.2)
    return `profile ${nameFrom(random)}${headerFrom(random)}{ ${bodyOf(random, depth - 1)}}${space}`;
  if (depth > 0 && kind < 0.3) return `^${nameFrom(random)}${space}{ ${bodyOf(random, depth - 1)}}${space}`;
  if (depth > 0 && kind < 0.36) {
    return `if ${pick(['$X', 'not $X', 'defined @{x}'])} { ${pick(RULES)} }${pick(['', ' else { file, }'])}${space}`;
  }
  if (depth > 0 && kind < 0.4) return `${pick(['audit', 'deny', 'owner', 'allow'])} { ${pick(RULES)} }${space}`;
  if (kind < 0.42) return phrase(random, 3);
  return `${pick(RULES)}${space}`;
}

/** Profiles, children, hats, conditions and rules put together at random, mostly balanced. */
function compose(random: () => number): string {
  const pick = picker(random);
  let text = pick(['', '', 'abi <abi/4.0>,\n', 'include <tunables/global>\n']);
  text += '$X = true\n@{x}=/y \\\n z # c\n';
  for (let profiles = 1 + Math.floor(random() * 3); profiles > 0; profiles -= 1) {
    text += `profile ${nameFrom(random)}${headerFrom(random)}{ ${bodyOf(random, 3)}}${spaceFrom(random)}`;
  }
  return text;
}
