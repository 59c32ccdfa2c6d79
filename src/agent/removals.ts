import type { Failure } from './failure.ts';
import type { PolicyPlan } from './plan.ts';
import { namesOf } from './retained.ts';
import type { RetainedRow, UnwantedRow } from './retained.ts';

/** What is known of the profiles that nobody wants, besides kernel and ledger. */
export interface UnloadKnowledge {
  /** Whether the API server has said all that there is to know, and the ledger can be written. */
  allowed: boolean;
  /** The controller's. */
  grants: readonly UnloadGrant[];
  /** Milliseconds since the epoch, by the agent's clock: grants end by it. */
  date: number;
  /** By name: since when nobody wants the profile, in milliseconds of `PlanInput.now`. */
  since: ReadonlyMap<string, number>;
  /** By name: what runs under the profile; absent if nobody has looked yet. */
  uses: ReadonlyMap<string, ProfileUse>;
  /** By name: why the last removal failed. */
  failures: ReadonlyMap<string, Failure>;
}

/** An element of `spec.unload` of an AppArmorNode. */
export interface UnloadGrant {
  profile: string;
  /** Short hash. */
  revision: string;
  /** RFC 3339 */
  expires: string;
}

export type ProfileUse =
  | { kind: 'counted'; processes: number; unreadable: number }
  /** The node's processes cannot be seen. */
  | { kind: 'unseen'; message: string };

export interface Removal {
  profile: string;
  revision: string;
  /** Top-level names, its own included, under none of which anything may run. */
  together: readonly string[];
}

/** A profile that nobody wants and that may be removed in time, with why it is not yet. */
export interface Waiting {
  row: UnwantedRow;
  why: WaitReason;
}

export type WaitReason =
  /** The object lives, and means the profile again if a label or the text changes back. */
  | { kind: 'young'; until: number }
  /** Another wanted policy defines the name, and has not been loaded yet. */
  | { kind: 'claimed' }
  | { kind: 'notAllowed' }
  | { kind: 'inUse'; profile: string; use: ProfileUse }
  | { kind: 'notGranted' }
  | { kind: 'failed'; failure: Failure }
  | { kind: 'notLooked' };

/** A selector that stops to match, by a label that somebody changes back, removes nothing within this time. */
const LABELS_SETTLE_MS = 60_000;

/**
 * Which of the retained profiles may go now. All of one load that are retained stay while anything runs under one of them:
 * their rules may lead from one into the other.
 */
export function planRemovals(
  retained: readonly RetainedRow[],
  policies: readonly PolicyPlan[],
  unload: UnloadKnowledge,
  now: number,
): { removals: readonly Removal[]; waiting: readonly Waiting[] } {
  const rows = retained.filter((row) => row.why === 'unwanted');
  const claimed = new Set(policies.flatMap(namesOf));
  const removals: Removal[] = [];
  const waiting: Waiting[] = [];
  for (const row of rows) {
    const together = rows.filter(({ load }) => load === row.load).map(({ profile }) => profile);
    const why = whyNot(row, together, { unload, now, claimed });
    if (why === undefined) removals.push({ profile: row.profile, revision: row.revision, together });
    else waiting.push({ row, why });
  }
  return { removals, waiting };
}

interface World {
  unload: UnloadKnowledge;
  now: number;
  claimed: ReadonlySet<string>;
}

/** Use comes first, as it is what people want to know. */
function whyNot(
  { profile, revision, isOrphan }: UnwantedRow,
  together: readonly string[],
  { unload, now, claimed }: World,
): WaitReason | undefined {
  for (const name of [profile, ...together]) {
    const use = unload.uses.get(name);
    if (use !== undefined && isUsed(use)) return { kind: 'inUse', profile: name, use };
  }
  if (claimed.has(profile)) return { kind: 'claimed' };
  if (!unload.allowed) return { kind: 'notAllowed' };
  const until = (unload.since.get(profile) ?? now) + LABELS_SETTLE_MS;
  if (!isOrphan && until > now) return { kind: 'young', until };
  const isGranted = unload.grants.some(
    (grant) => grant.profile === profile && grant.revision === revision && Date.parse(grant.expires) > unload.date,
  );
  if (!isGranted) return { kind: 'notGranted' };
  const failure = unload.failures.get(profile);
  if (failure?.retryAt !== undefined && failure.retryAt > now) return { kind: 'failed', failure };
  return together.every((name) => unload.uses.has(name)) ? undefined : { kind: 'notLooked' };
}

/** What cannot be seen may be there. */
export function isUsed(use: ProfileUse): boolean {
  return use.kind === 'unseen' || use.processes + use.unreadable > 0;
}
