import { isAlias, isMap, isNode, isScalar, isSeq, type Document } from 'yaml';
import type { Position } from '../../policy/position.ts';
import { positionsInScalar, type DocumentSource, type ToFile } from './scalar-positions.ts';
import type { FieldPath } from './schema.ts';

/** Where the parts of an object stand in the file that it was read from. */
export interface ObjectPositions {
  /** Where a field begins; where the nearest one around it does if it is not there itself. */
  fieldPosition: (path: FieldPath) => Position;
  /** From a position in the text of a field to the one in the file; undefined where that is not known. */
  textPosition: (path: FieldPath, position: Position) => Position | undefined;
}

/** `root` is the object's place in the document, empty if it is the document. */
export function objectPositions(source: DocumentSource, document: Document, root: FieldPath): ObjectPositions {
  const texts = new Map<string, ToFile | undefined>();
  const toFile = (path: FieldPath): ToFile | undefined => {
    const key = JSON.stringify(path);
    if (!texts.has(key)) {
      const { node, whole } = find(document, [...root, ...path]);
      texts.set(key, whole ? positionsInScalar(source, node) : undefined);
    }
    return texts.get(key);
  };
  return {
    fieldPosition: (path) => source.inFile(source.offset + find(document, [...root, ...path]).start),
    textPosition: (path, position) => toFile(path)?.(position),
  };
}

interface Found {
  node: unknown;
  /** Offset in the document: of the key, or of the item of a list. */
  start: number;
  /** Whether the whole path is there. What a merge key (`<<`) brings in is not. */
  whole: boolean;
}

function find(document: Document, path: FieldPath): Found {
  let node = resolve(document, document.contents);
  let start = startOf(node) ?? 0;
  for (const step of path) {
    const next = childOf(node, step);
    if (next === undefined) return { node, start, whole: false };
    start = startOf(next.mark) ?? start;
    node = resolve(document, next.node);
  }
  return { node, start, whole: true };
}

/** The node under a field or an index, and the one that marks its place. */
function childOf(node: unknown, step: string | number): { mark: unknown; node: unknown } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step];
    return item === undefined ? undefined : { mark: item, node: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
  return pair === undefined ? undefined : { mark: pair.key, node: pair.value };
}

function resolve(document: Document, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
