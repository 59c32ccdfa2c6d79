import type { AppArmorProfile, AppArmorProfileStatus } from '../../api/generated/index.ts';
import type { WantedRule } from '../../admission/pods/published-rule.ts';
import type { Claimant } from '../../admission/review/name-owners.ts';
import { judge, type Accepted, type TextFinding } from '../../admission/review/verdict.ts';
import { findCondition } from '../../api/conditions.ts';
import { READY_REASON } from '../../api/reasons.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { RevisionView } from '../revisions/revision-view.ts';

/** What the controller's cache keeps of an AppArmorProfile: everything but the policy texts. */
export interface ProfileView {
  name: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  /** RFC 3339. */
  creationTimestamp: string;
  deleting: boolean;
  /** spec.nodeSelector; empty: every node. */
  nodeSelector: Readonly<Record<string, string>>;
  /** spec.pods.restart is Evict. */
  evicts: boolean;
  verdict: ViewedVerdict;
  status?: AppArmorProfileStatus;
}

export type ViewedVerdict =
  | { kind: 'accepted'; hash: string; profiles: readonly string[]; podRule?: WantedRule }
  | { kind: 'refused'; errors: readonly TextFinding[]; more: number };

/** Findings that are kept of a refused object; the status shows no more than ten failures. */
const MOST_ERRORS = 10;

/**
 * The cache's projection. A status write changes neither uid nor generation: then the texts are not read again, and the
 * previous verdict stands. `onAccepted` is told of a new one with its texts.
 */
export function viewProfile(
  object: AppArmorProfile,
  previous: ProfileView | undefined,
  onAccepted?: (seen: { uid: string; generation: number }, accepted: Accepted) => void,
): ProfileView {
  const { metadata } = object;
  const { uid } = metadata;
  const generation = metadata.generation ?? 0;
  const unchanged = previous !== undefined && previous.uid === uid && previous.generation === generation;
  return {
    name: metadata.name,
    uid,
    resourceVersion: metadata.resourceVersion,
    generation,
    creationTimestamp: metadata.creationTimestamp,
    deleting: metadata.deletionTimestamp !== undefined,
    nodeSelector: object.spec.nodeSelector ?? {},
    evicts: object.spec.pods?.restart === 'Evict',
    verdict: unchanged
      ? previous.verdict
      : viewVerdict(object, (accepted) => onAccepted?.({ uid, generation }, accepted)),
    ...(object.status === undefined ? {} : { status: object.status }),
  };
}

function viewVerdict(object: AppArmorProfile, onAccepted: (accepted: Accepted) => void): ViewedVerdict {
  const verdict = judge(object);
  if (verdict.kind === 'accepted') {
    onAccepted(verdict);
    const { hash, content, podRule } = verdict;
    return { kind: 'accepted', hash, profiles: content.profiles, ...(podRule === undefined ? {} : { podRule }) };
  }
  return {
    kind: 'refused',
    errors: verdict.errors.slice(0, MOST_ERRORS),
    more: Math.max(0, verdict.errors.length - MOST_ERRORS),
  };
}

/** The object as the rule about names of profiles sees it. */
export function claimantOf(profile: ProfileView, inForce: RevisionView | undefined): Claimant {
  const { name, uid, creationTimestamp, verdict, nodeSelector } = profile;
  return {
    name,
    uid,
    creationTimestamp,
    heldBack: isHeldBack(profile),
    ...(verdict.kind === 'accepted' ? { wanted: { profiles: verdict.profiles, nodeSelector } } : {}),
    ...(inForce === undefined ? {} : { inForce: { profiles: inForce.profiles, nodeSelector: inForce.nodeSelector } }),
  };
}

/** By what the controller said of this very spec. */
function isHeldBack({ generation, status }: ProfileView): boolean {
  const ready = findCondition(status?.conditions, 'Ready');
  if (ready?.observedGeneration !== generation) return false;
  return ready.reason === READY_REASON.policyRefused || ready.reason === READY_REASON.conflict;
}

/** Whether what it asks for changed, or whether it asks: then others may have to be judged anew. */
export function sameClaim(left: ProfileView, right: ProfileView): boolean {
  return canonicalJson(claimOf(left)) === canonicalJson(claimOf(right));
}

function claimOf(profile: ProfileView): object {
  const { uid, deleting, verdict, nodeSelector } = profile;
  return {
    uid,
    deleting,
    nodeSelector,
    heldBack: isHeldBack(profile),
    profiles: verdict.kind === 'accepted' ? verdict.profiles : [],
  };
}
