import { isScalar } from 'yaml';
import type { Position } from '../../policy/position.ts';

export interface DocumentSource {
  /** The whole file. */
  text: string;
  /** Offset in the file to position. */
  inFile: (at: number) => Position;
  /** Of the document in it. */
  offset: number;
}

/** A position in a text of a YAML document → the position in the file that it was written at. */
export type ToFile = (position: Position) => Position;

/**
 * Exact for literal blocks (`|`), whose lines are the text's lines behind some indentation. Elsewhere YAML folds lines and
 * knows escapes, but all that is not blank stands in the file in the text's order, each character once: exact for these.
 */
export function positionsInScalar({ text, offset, inFile }: DocumentSource, node: unknown): ToFile | undefined {
  if (!isScalar(node) || typeof node.value !== 'string' || !Array.isArray(node.range)) return undefined;
  const [start, end] = [offset + node.range[0], offset + node.range[1]];
  const scalar: Scalar = { value: node.value, written: text.slice(start, end), inFile, start };
  if (node.type === 'BLOCK_LITERAL') return literalPositions(scalar);
  return foldedPositions(scalar, node.type ?? 'PLAIN');
}

interface Scalar {
  value: string;
  /** Its source: of a block with its header, of quoted text with the quotes. */
  written: string;
  start: number;
  inFile: (at: number) => Position;
}

function literalPositions({ value, written, inFile, start }: Scalar): ToFile {
  const header = inFile(start).line;
  const lines = value.split('\n');
  const writtenLines = written.split('\n');
  return ({ line, column }) => {
    const writtenLine = (writtenLines[line] ?? '').replace(/\r$/, '');
    const text = lines[line - 1] ?? '';
    return {
      line: header + line,
      column: column + (writtenLine.endsWith(text) ? writtenLine.length - text.length : 0),
    };
  };
}

function foldedPositions({ value, written, inFile, start }: Scalar, type: string): ToFile {
  const places = solidPlaces(written, type);
  const lineStarts = [0];
  const before: number[] = [];
  let solid = 0;
  for (let at = 0; at < value.length; at += 1) {
    before.push(solid);
    if (value[at] === '\n') lineStarts.push(at + 1);
    if (!isBlank(value[at])) solid += 1;
  }
  return ({ line, column }) => {
    const at = (lineStarts[line - 1] ?? value.length) + column - 1;
    const place = places[before[at] ?? solid] ?? places.at(-1) ?? 0;
    return inFile(start + place);
  };
}

/** Offset of every character of the text that is not blank, in the order of the text. */
function solidPlaces(written: string, type: string): number[] {
  const places: number[] = [];
  let at = type === 'BLOCK_FOLDED' ? written.indexOf('\n') + 1 : type.startsWith('QUOTE') ? 1 : 0;
  const end = type.startsWith('QUOTE') ? written.length - 1 : written.length;
  while (at < end) {
    const unit = unitAt(written, at, type);
    for (const character of unit.text) {
      // Surrogates are two units of the text, which both stand here.
      for (let half = 0; half < character.length; half += 1) if (!isBlank(character)) places.push(at);
    }
    at += unit.length;
  }
  return places;
}

function unitAt(written: string, at: number, type: string): { length: number; text: string } {
  const character = written[at] ?? '';
  if (type === 'QUOTE_SINGLE' && character === "'") return { length: 2, text: "'" };
  if (type !== 'QUOTE_DOUBLE' || character !== '\\') return { length: 1, text: character };
  const escape = written[at + 1] ?? '';
  const digits = { x: 2, u: 4, U: 8 }[escape];
  if (digits !== undefined) {
    const code = Number.parseInt(written.slice(at + 2, at + 2 + digits), 16);
    return { length: 2 + digits, text: code <= 0x10ffff ? String.fromCodePoint(code) : '' };
  }
  // An escaped line end stands for nothing, and is blank like the escapes of blanks.
  return { length: 2, text: BLANK_ESCAPES.includes(escape) ? ' ' : escape };
}

const BLANK_ESCAPES = ' \t\n\rntr';

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}
