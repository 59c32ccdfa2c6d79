import { publishedRuleText, type WantedRule } from '../../admission/pods/published-rule.ts';
import type { RevisionView } from './revision-view.ts';
import { revisionInForce } from './revision-view.ts';

/** Revisions of an object that are kept besides the one in force. */
export const HISTORY = 3;

export interface RevisionPlan {
  action: RevisionAction;
  /** Oldest first; never the one in force nor the wanted one. */
  remove: readonly RevisionView[];
}

export type RevisionAction =
  /** The wanted revision is in force already, or none is wanted. */
  | { kind: 'none' }
  | { kind: 'publish'; sequence: number; podRule?: string }
  /**
   * An earlier content is wanted again: its revision gets the highest sequence. Or its pod rule changes, or its metadata was
   * edited: put right.
   */
  | { kind: 'bump'; revision: RevisionView; sequence: number; podRule?: string };

/**
 * What to do with an object's revisions. `wanted` is the hash that the review accepted, undefined if it refused: then the
 * last published revision stays in force. The sequence is the object's generation, and higher than any other: a newer
 * operator may make another content of the same generation.
 */
export function planRevisions(input: {
  objectUid: string;
  generation: number;
  wanted: string | undefined;
  /** Of spec.pods of the accepted spec. */
  podRule?: WantedRule;
  revisions: readonly RevisionView[];
}): RevisionPlan {
  const { wanted } = input;
  const revisions = input.revisions.filter(({ deleting }) => !deleting);
  const inForce = revisionInForce(revisions);
  const kept = new Set([inForce?.hash, wanted]);
  const history = revisions.filter(({ hash }) => !kept.has(hash)).sort((left, right) => right.sequence - left.sequence);
  const remove = history.slice(HISTORY).toReversed();

  if (wanted === undefined) return { action: { kind: 'none' }, remove };
  const text =
    input.podRule === undefined ? undefined : publishedRuleText(input.podRule, inForce?.podRuleText, input.generation);
  const podRule = text === undefined ? {} : { podRule: text };
  const revision = revisions.find(({ hash }) => hash === wanted);
  const highest = Math.max(0, ...revisions.filter((other) => other !== revision).map(({ sequence }) => sequence));
  if (revision !== undefined && revision.sequence > highest) {
    if (ownedBy(revision, input.objectUid) && revision.podRuleText === text)
      return { action: { kind: 'none' }, remove };
    return { action: { kind: 'bump', revision, sequence: revision.sequence, ...podRule }, remove };
  }
  const sequence = Math.max(input.generation, highest + 1);
  if (revision === undefined) return { action: { kind: 'publish', sequence, ...podRule }, remove };
  return { action: { kind: 'bump', revision, sequence, ...podRule }, remove };
}

/** Without its owner a revision would outlive the object. */
function ownedBy(revision: RevisionView, uid: string): boolean {
  return revision.owners.some((owner) => owner.uid === uid);
}
