import { printable } from './printable.ts';

/** A word as written, and without its quotes. */
export interface Word {
  raw: string;
  value: string;
}

export type Token =
  | { kind: 'profile' | 'hat'; at: number; name: Word; nameAt: number }
  | { kind: 'id'; at: number; word: Word }
  | { kind: 'word'; at: number; text: string }
  | { kind: 'variable' | 'boolean'; at: number; text: string }
  | { kind: 'assign'; at: number; operator: '=' | '+='; values: number }
  | { kind: 'condition'; at: number; name: string; values: readonly string[] }
  | { kind: 'list'; at: number; values: readonly string[] }
  | { kind: 'abi'; at: number; path: string; form: 'magic' | 'quoted' | 'bare' }
  | { kind: 'include'; at: number; path: string; form: 'magic' | 'quoted' | 'bare'; ifExists: boolean }
  | { kind: 'open' | 'close' | 'end' | 'arrow' | 'eof'; at: number }
  | { kind: 'unreadable'; at: number; message: string };

/** For messages. */
export function describeToken(token: Token): string {
  switch (token.kind) {
    case 'profile':
    case 'hat':
      return `${token.kind} '${printable(token.name.value)}'`;
    case 'id':
      return `'${printable(token.word.raw)}'`;
    case 'word':
    case 'variable':
    case 'boolean':
      return `'${printable(token.text)}'`;
    case 'condition':
      return `'${printable(token.name)}='`;
    case 'include':
    case 'abi':
      return `'${printable(token.path)}'`;
    case 'open':
      return "'{'";
    case 'close':
      return "'}'";
    case 'end':
      return "','";
    case 'arrow':
      return "'->'";
    case 'assign':
      return "'='";
    case 'list':
      return "'('";
    case 'unreadable':
      return token.message;
    case 'eof':
      return 'the end of the text';
    default:
      return token satisfies never;
  }
}
