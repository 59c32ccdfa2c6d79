import type { RevisionView } from './revision-view.ts';

/** The cached revisions by object, so that nobody looks through those of all objects. */
export interface RevisionIndex {
  changed(key: string, now: RevisionView | undefined, before: RevisionView | undefined): void;
  of(objectUid: string): readonly RevisionView[];
}

export function createRevisionIndex(): RevisionIndex {
  const byObject = new Map<string, Map<string, RevisionView>>();
  return {
    changed(key, now, before) {
      if (before !== undefined) {
        const rest = byObject.get(before.objectUid);
        rest?.delete(key);
        if (rest?.size === 0) byObject.delete(before.objectUid);
      }
      if (now === undefined) return;
      const revisions = byObject.get(now.objectUid) ?? new Map<string, RevisionView>();
      byObject.set(now.objectUid, revisions.set(key, now));
    },
    of: (objectUid) => [...(byObject.get(objectUid)?.values() ?? [])],
  };
}
