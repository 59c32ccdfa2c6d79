import type { AppArmorProfile, AppArmorProfileStatus } from '../../api/generated/index.ts';
import { judge, type TextFinding } from './verdict.ts';

/** What the controller's cache keeps of an AppArmorProfile: everything but the policy texts. */
export interface ProfileView {
  name: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  /** RFC 3339. */
  creationTimestamp: string;
  deleting: boolean;
  verdict: ViewedVerdict;
  status?: AppArmorProfileStatus;
}

export type ViewedVerdict =
  | { kind: 'accepted'; hash: string; profiles: readonly string[] }
  | { kind: 'refused'; errors: readonly TextFinding[]; more: number };

/** Findings that are kept of a refused object; the status shows no more than ten failures. */
const MOST_ERRORS = 10;

/**
 * The cache's projection. A status write changes neither uid nor generation: then the texts are not read again, and the
 * previous verdict stands.
 */
export function viewProfile(object: AppArmorProfile, previous: ProfileView | undefined): ProfileView {
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
    verdict: unchanged ? previous.verdict : viewVerdict(object),
    ...(object.status === undefined ? {} : { status: object.status }),
  };
}

function viewVerdict(object: AppArmorProfile): ViewedVerdict {
  const verdict = judge(object);
  if (verdict.kind === 'accepted') return { kind: 'accepted', hash: verdict.hash, profiles: verdict.content.profiles };
  return {
    kind: 'refused',
    errors: verdict.errors.slice(0, MOST_ERRORS),
    more: Math.max(0, verdict.errors.length - MOST_ERRORS),
  };
}

/** Another object that defines one of this object's names and owns it: the older one, then the smaller uid. */
export interface SharedName {
  profile: string;
  owner: string;
}

/** The names that this object defines but an older one owns wherever both are loaded. */
export function namesOwnedByOthers(profile: ProfileView, all: readonly ProfileView[]): SharedName[] {
  if (profile.verdict.kind === 'refused') return [];
  const older = all.filter((other) => other.uid !== profile.uid && !other.deleting && comesBefore(other, profile));
  return profile.verdict.profiles.flatMap((name) => {
    const owner = older
      .filter(({ verdict }) => verdict.kind === 'accepted' && verdict.profiles.includes(name))
      .sort((left, right) => (comesBefore(left, right) ? -1 : 1))[0];
    return owner === undefined ? [] : [{ profile: name, owner: owner.name }];
  });
}

function comesBefore(left: ProfileView, right: ProfileView): boolean {
  const [earlier, later] = [Date.parse(left.creationTimestamp), Date.parse(right.creationTimestamp)];
  return earlier === later ? left.uid < right.uid : earlier < later;
}
