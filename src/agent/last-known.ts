import type { RevisionHead } from './revision-content.ts';
import { decodeStateFile, encodeStateFile } from './state-file.ts';

/** What the API server said last: with the texts beside it, enough to load before it answers again. */
export interface LastKnown {
  /** Labels of the node. */
  labels: Readonly<Record<string, string>>;
  /** The revisions that count: per object the newest whose text is here. */
  revisions: readonly RevisionHead[];
}

export function encodeLastKnown(lastKnown: LastKnown, node: string): string {
  return encodeStateFile('last-known', node, lastKnown);
}

/** Throws StateFileError. */
export function decodeLastKnown(text: string, node: string): LastKnown {
  return decodeStateFile('last-known', node, text) as LastKnown;
}
