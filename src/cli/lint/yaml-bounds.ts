import { CST, Lexer } from 'yaml';

/**
 * Parsing takes half a second and 100 MB for this many on a usual machine; an AppArmorProfile has about a hundred, as a whole
 * policy is one of them.
 */
const MOST_PARTS = 200_000;

/** Of `[` and `{`. */
const DEEPEST_FLOW = 100;

/** Of `-`, `?` and `:` outside of flow collections: each level of blocks begins at least one column behind the one around it. */
const DEEPEST_COLUMN = 500;

/**
 * Why a document must not be given to the parser; undefined if it may be. The parser descends with the nesting, and where the
 * stack ends inside of a regular expression's compiler, the whole process ends with it (measured at 1,000 levels of `? `).
 */
export function yamlBoundsFault(document: string): string | undefined {
  let parts = 0;
  let flow = 0;
  let column = 0;
  for (const lexeme of new Lexer().lex(document)) {
    parts += 1;
    if (parts > MOST_PARTS) return `has more than ${MOST_PARTS} parts: divide it`;
    const type = CST.tokenType(lexeme);
    if (type === 'flow-seq-start' || type === 'flow-map-start') flow += 1;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') flow = Math.max(0, flow - 1);
    // The lexer leaves flow collections where a line is indented less than them, and says so.
    else if (type === 'flow-error-end' || type === 'doc-start' || type === 'doc-mode') flow = 0;
    const isIndicator = type === 'seq-item-ind' || type === 'explicit-key-ind' || type === 'map-value-ind';
    if (flow > DEEPEST_FLOW || (flow === 0 && isIndicator && column > DEEPEST_COLUMN)) return 'is nested too deeply';
    column = columnAfter(lexeme, column);
  }
  return undefined;
}

/** Marks that the lexer puts between its lexemes, which are not in the text: of a document, a flow's end, a scalar. */
const MARKS = '\u0002\u0018\u001F';

function columnAfter(lexeme: string, column: number): number {
  if (lexeme.length === 1 && MARKS.includes(lexeme)) return column;
  const lineEnd = lexeme.lastIndexOf('\n');
  return lineEnd === -1 ? column + lexeme.length : lexeme.length - lineEnd - 1;
}
