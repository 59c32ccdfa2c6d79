import type { RevisionHead } from './revision-content.ts';

/** What one object should be at on every node. */
export interface CurrentRevision<H extends RevisionHead> {
  /** The newest revision there is. */
  newest: H;
  /** The newest one whose text is here; absent until the first was fetched. */
  usable?: H;
}

/**
 * Per object (by uid) the revision with the highest sequence, and the highest one whose text is here: until a new text has
 * arrived the one before it stays wanted, so that nothing looks unwanted meanwhile. Equal sequences, which the controller
 * does not write, are ordered by name so that all nodes agree.
 */
export function currentRevisions<H extends RevisionHead>(
  heads: Iterable<H>,
  hasText: (head: H) => boolean,
): ReadonlyMap<string, CurrentRevision<H>> {
  const current = new Map<string, CurrentRevision<H>>();
  for (const head of heads) {
    const { newest, usable } = current.get(head.objectUid) ?? {};
    const best = hasText(head) ? later(usable, head) : usable;
    current.set(head.objectUid, { newest: later(newest, head), ...(best === undefined ? {} : { usable: best }) });
  }
  return current;
}

function later<H extends RevisionHead>(left: H | undefined, right: H): H {
  if (left === undefined) return right;
  if (left.sequence !== right.sequence) return left.sequence > right.sequence ? left : right;
  return left.name > right.name ? left : right;
}
