import type { PodOwner } from '../pods/pod-view.ts';

/** A pod that an object's rule means, as evictions see it. */
export interface EvictionPod {
  namespace: string;
  name: string;
  uid: string;
  ready: boolean;
  deleting: boolean;
  /** Who replaces it, if anybody. */
  owner?: PodOwner;
  /**
   * `pending`: creating it anew puts its confinement right. `other`: not confined for another reason, such as its author's
   * will or a node that does not hold the profile.
   */
  state: 'confined' | 'pending' | 'other';
}

/** One that somebody is known to replace. */
export type ReplacedPod = EvictionPod & { owner: PodOwner };

/** An eviction whose replacement is not yet Ready and confined. */
export interface Awaited {
  /** The pod that was evicted, as `namespace/name`. */
  pod: string;
  owner: PodOwner;
  /** Milliseconds on the clock. */
  atMs: number;
  /** uids of the owner's pods at that time; any other is a replacement. */
  before: ReadonlySet<string>;
}

export interface EvictionPlan {
  /** To be evicted now, of each owner one. */
  evict: readonly ReplacedPod[];
  /** uids of owners whose replacement is Ready and confined. */
  settled: readonly string[];
  progress: EvictionProgress;
  /** Pods that wait for a restart and that nobody would replace. */
  leftAlone: readonly EvictionPod[];
}

export type EvictionProgress =
  /** No pod waits for an eviction. */
  | { kind: 'done' }
  /** `waitsFor`: what must happen before the next one. */
  | { kind: 'working'; pending: number; waitsFor?: string }
  /** A replacement is not as it should be: nothing more is evicted before it is. */
  | { kind: 'stopped'; pending: number; message: string };

/** A replacement that is not Ready and confined by then stops all evictions for its object. */
export const REPLACEMENT_MS = 5 * 60_000;

/** Owners of one object whose pods are replaced at once. */
const MOST_AT_ONCE = 10;

/**
 * Owners that are known to make a new pod in an evicted one's place. Others, such as Jobs, workflows, or a Node for its static
 * pods, may not, or may begin their work anew.
 */
const REPLACING_KINDS: ReadonlySet<string> = new Set([
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'ReplicationController',
]);

/**
 * Which of an object's pods to evict now: of each owner one, and only while all its other pods are there and those that
 * are confined are Ready. The first owner alone, until it shows that pods do become Ready under the policy; then twice as many
 * as have shown it, up to ten. If a replacement stays unready or is not confined, none.
 */
export function planEvictions(input: {
  pods: readonly EvictionPod[];
  /** Of this object, by uid of the owner. */
  awaited: ReadonlyMap<string, Awaited>;
  /** Why an owner must be left alone for now: another object waits for its replacement, or an eviction was refused. */
  held: (ownerUid: string) => string | undefined;
  /** Replacements under this policy that became Ready and confined. */
  proved: number;
  /** Milliseconds on the clock. */
  now: number;
}): EvictionPlan {
  const { pods, awaited, now } = input;
  const byOwner = Map.groupBy(pods.filter(isReplaced), ({ owner }) => owner.uid);
  const pending = pods.filter(({ state, deleting }) => state === 'pending' && !deleting);
  const leftAlone = pending.filter((pod) => !isReplaced(pod));

  const replacements = [...awaited].map(([uid, wait]) => ({
    uid,
    wait,
    outcome: replacement(wait, byOwner.get(uid) ?? []),
  }));
  const settled = replacements.flatMap(({ uid, outcome }) => (outcome.kind === 'settled' ? [uid] : []));
  const open = replacements.filter(({ outcome }) => outcome.kind !== 'settled');
  const evictable = pending.length - leftAlone.length;
  for (const { wait, outcome } of open) {
    if (outcome.kind === 'settled' || !(outcome.final || now - wait.atMs >= REPLACEMENT_MS)) continue;
    const message = `pod ${wait.pod} was evicted, and ${outcome.message}`;
    return { evict: [], settled, leftAlone, progress: { kind: 'stopped', pending: evictable, message } };
  }

  const proved = input.proved + settled.length;
  const limit = proved === 0 ? 1 : Math.min(MOST_AT_ONCE, 2 * proved);
  const waits = open.flatMap(({ wait, outcome }) =>
    outcome.kind === 'settled' ? [] : [`pod ${wait.pod} was evicted, and ${outcome.message}`],
  );
  const evict: ReplacedPod[] = [];
  for (const [uid, its] of [...byOwner].sort(byName)) {
    const [next] = its.filter(({ state, deleting }) => state === 'pending' && !deleting).sort(unreadyFirst);
    if (next === undefined || open.some((one) => one.uid === uid)) continue;
    const obstacle = input.held(uid) ?? obstacleIn(its);
    if (obstacle !== undefined) waits.push(obstacle);
    else if (open.length + evict.length < limit) evict.push(next);
  }
  if (evictable === 0 && open.length === 0) return { evict, settled, leftAlone, progress: { kind: 'done' } };
  const [waitsFor] = waits;
  const progress = { kind: 'working', pending: evictable, ...(waitsFor === undefined ? {} : { waitsFor }) } as const;
  return { evict, settled, leftAlone, progress };
}

export function keyOfPod({ namespace, name }: Pick<EvictionPod, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

function isReplaced(pod: EvictionPod): pod is ReplacedPod {
  return pod.owner !== undefined && REPLACING_KINDS.has(pod.owner.kind);
}

type Replacement = { kind: 'settled' } | { kind: 'open'; message: string; final: boolean };

/** `final`: no waiting changes it. */
function replacement({ before, owner }: Awaited, pods: readonly ReplacedPod[]): Replacement {
  const fresh = pods.filter(({ uid, deleting }) => !before.has(uid) && !deleting);
  const unconfined = fresh.find(({ state }) => state !== 'confined');
  if (unconfined !== undefined) {
    const message = `its replacement ${keyOfPod(unconfined)} does not run confined`;
    return { kind: 'open', message, final: unconfined.state === 'pending' };
  }
  const unready = fresh.find(({ ready }) => !ready);
  if (unready !== undefined) {
    return { kind: 'open', message: `its replacement ${keyOfPod(unready)} is not Ready`, final: false };
  }
  if (fresh.length > 0) return { kind: 'settled' };
  return { kind: 'open', message: `${owner.kind} ${owner.name} has no replacement on a node`, final: false };
}

/** What must come right among an owner's pods first, whoever is at work there. */
function obstacleIn(pods: readonly ReplacedPod[]): string | undefined {
  const going = pods.find(({ deleting }) => deleting);
  if (going !== undefined) return `pod ${keyOfPod(going)} is ending`;
  const unready = pods.find(({ state, ready }) => state === 'confined' && !ready);
  return unready === undefined ? undefined : `pod ${keyOfPod(unready)}, which is confined, is not Ready`;
}

/** An eviction costs least where nothing is served. */
function unreadyFirst(left: EvictionPod, right: EvictionPod): number {
  return Number(left.ready) - Number(right.ready) || compareText(left.name, right.name);
}

function byName([, [left]]: [string, ReplacedPod[]], [, [right]]: [string, ReplacedPod[]]): number {
  return compareText(nameOf(left), nameOf(right));
}

function nameOf(pod: ReplacedPod | undefined): string {
  return pod === undefined ? '' : `${pod.namespace}/${pod.owner.kind}/${pod.owner.name}`;
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
