import type { AppArmorProfile } from '../../api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { createRecent } from '../../admission/review/recent.ts';
import { judge, type Accepted } from '../../admission/review/verdict.ts';
import type { ProfileView } from '../profiles/profile-view.ts';

/** The texts of accepted specs, which the cache of objects does not keep: the last few that it saw, for they are published next. */
export interface RecentTexts {
  keep: (object: Seen, accepted: Accepted) => void;
  get(object: Seen): Accepted | undefined;
}

/** A generation has one spec for ever. */
type Seen = Pick<ProfileView, 'uid' | 'generation'>;

/** A text has at most 512 KiB. */
const MOST_KEPT = 4;

export function createRecentTexts(): RecentTexts {
  const recent = createRecent<Accepted>(MOST_KEPT);
  return {
    keep: (object, accepted) => recent.set(keyOf(object), accepted),
    get: (object) => recent.get(keyOf(object)),
  };
}

function keyOf({ uid, generation }: Seen): string {
  return `${uid} ${generation}`;
}

/**
 * From memory or from the API server. Undefined if the object is no longer the one that was decided on: then the watch is about to say so,
 * and that event brings the next reconcile. Throws KubeError.
 */
export async function readAccepted(
  profile: ProfileView,
  { recent, client }: { recent: RecentTexts; client: KubeClient },
  signal: AbortSignal,
): Promise<Accepted | undefined> {
  const seen = recent.get(profile);
  if (seen !== undefined) return seen;
  const object = await client
    .get<AppArmorProfile>(APPARMOR_PROFILE, { name: profile.name }, { signal })
    .catch(undefinedIfNotFound);
  if (object?.metadata.uid !== profile.uid || object.metadata.generation !== profile.generation) return undefined;
  const verdict = judge(object);
  return verdict.kind === 'accepted' ? verdict : undefined;
}

function undefinedIfNotFound(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}
