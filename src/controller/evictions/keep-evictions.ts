import { findCondition } from '../../api/conditions.ts';
import { EVENT_REASON } from '../../api/reasons.ts';
import { retryDelay, type Backoff } from '../../kube/backoff.ts';
import type { Clock } from '../../kube/clock.ts';
import type { KubeError } from '../../kube/errors.ts';
import type { Transport } from '../../kube/transport.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import type { Announce } from '../announce.ts';
import type { MatchedPod } from '../pods/matched-pods.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import { evictPod } from './evict-pod.ts';
import { evictionNote, type EvictionNote } from './eviction-note.ts';
import { evictionPod } from './eviction-pod.ts';
import {
  keyOfPod,
  planEvictions,
  type Awaited,
  type EvictionPlan,
  type EvictionPod,
  type ReplacedPod,
} from './plan-evictions.ts';

/**
 * Evicts the pods of objects with `restart: Evict` that wait for a restart. What it awaits it remembers for one term of
 * leadership; a new leader begins with one pod again. `keep` is never to run twice at once, not even for two objects.
 */
export interface EvictionsKeeper {
  /** Throws KubeError where the API server cannot be asked; the caller retries. */
  keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
  /** What to say of it in the object's condition PodsConfined. */
  note(name: string): string | undefined;
  forget(name: string): void;
}

export interface EvictionsParts {
  transport: Pick<Transport, 'request'>;
  clock: Pick<Clock, 'now'>;
  random: () => number;
  logger: Logger;
  announce: Announce;
  profile(name: string): ProfileView | undefined;
  /** Every pod that the object's rule means. */
  pods(objectUid: string): Iterable<MatchedPod>;
  /** Whether the node's kernel holds the object's revision in force. */
  holds(objectUid: string, nodeName: string): boolean;
  /** The object's note is another one now. */
  onNote(name: string): void;
}

/** After a change of leader, replacements of what the former evicted are on their nodes before anything else is evicted. */
const SETTLE_MS = 10_000;
/** Most of what is waited for comes with a change of a pod; what a node reports does not. */
const LOOK_AGAIN_MS = 5000;
/** Every change of a pod asks for a look at all pods of the object, of which there may be thousands. */
const LOOK_INTERVAL_MS = 1000;
/** How long to believe that the right is missing. */
const DENIED_MS = 20_000;
/** Of refused evictions of one owner's pods; longer where the API server asks for it. */
const REFUSED: Backoff = { baseMs: 5000, maxMs: 300_000 };
/** A refusal that was not repeated for so long is forgotten. */
const REFUSAL_KEPT_MS = 600_000;

interface ObjectState {
  uid: string;
  revision: string;
  /** By uid of the owner. */
  awaited: Map<string, Awaited>;
  proved: number;
  /** `clock.now()` of the last look at its pods. */
  lookedMs: number;
  note?: string;
}

/** Of an eviction that was tried and may be tried again. */
interface Refusal {
  message: string;
  times: number;
  untilMs: number;
}

export function createEvictionsKeeper(parts: EvictionsParts): EvictionsKeeper {
  const { announce, clock, logger } = parts;
  const startedMs = clock.now();
  const objects = new Map<string, ObjectState>();
  /** By uid of the owner. */
  const refusals = new Map<string, Refusal>();
  let deniedUntilMs = -Infinity;

  /** A new policy has to show anew that pods become Ready under it, and has its own time for it. */
  function stateOf({ name, uid, status }: ProfileView): ObjectState {
    const revision = status?.revision ?? '';
    const known = objects.get(name);
    const fresh = { uid, revision, awaited: new Map<string, Awaited>(), proved: 0, lookedMs: -Infinity };
    const state: ObjectState = known?.uid === uid ? known : fresh;
    objects.set(name, state);
    if (state.revision === revision) return state;
    state.revision = revision;
    state.proved = 0;
    for (const wait of state.awaited.values()) wait.atMs = clock.now();
    return state;
  }

  function held(ownerUid: string, objectUid: string): string | undefined {
    for (const [name, { uid, awaited }] of objects) {
      const wait = awaited.get(ownerUid);
      if (uid !== objectUid && wait !== undefined) return `pod ${wait.pod} was evicted for AppArmorProfile ${name}`;
    }
    const refusal = refusals.get(ownerUid);
    return refusal !== undefined && refusal.untilMs > clock.now() ? refusal.message : undefined;
  }

  function planFor({ uid, awaited, proved }: ObjectState, pods: readonly EvictionPod[]): EvictionPlan {
    return planEvictions({ pods, awaited, proved, held: (owner) => held(owner, uid), now: clock.now() });
  }

  function refused(pod: ReplacedPod, error: KubeError): void {
    const now = clock.now();
    for (const [owner, { untilMs }] of refusals) if (now - untilMs > REFUSAL_KEPT_MS) refusals.delete(owner);
    const times = refusals.get(pod.owner.uid)?.times ?? 0;
    const waitMs = retryDelay(times, error, REFUSED, parts.random);
    const message = `pod ${keyOfPod(pod)} may not be evicted now: ${error.message}`;
    refusals.set(pod.owner.uid, { message, times: times + 1, untilMs: now + waitMs });
    logger.info('an eviction was refused', { pod: keyOfPod(pod), error, retryInMs: Math.round(waitMs) });
  }

  function evicted(pod: ReplacedPod, profile: ProfileView, state: ObjectState, pods: readonly EvictionPod[]): void {
    const { owner } = pod;
    refusals.delete(owner.uid);
    const before = new Set(pods.filter((one) => one.owner?.uid === owner.uid).map(({ uid }) => uid));
    state.awaited.set(owner.uid, { pod: keyOfPod(pod), owner, atMs: clock.now(), before });
    const note = `evicted pod ${keyOfPod(pod)}, which is not confined: ${owner.kind} ${owner.name} makes another in its place`;
    announce(profile, { type: 'Normal', reason: EVENT_REASON.evicted, action: 'Evict', note });
    logger.info('evicted a pod', { pod: keyOfPod(pod), owner: `${owner.kind} ${owner.name}`, object: profile.name });
  }

  async function evictEach(
    plan: EvictionPlan,
    profile: ProfileView,
    state: ObjectState,
    pods: readonly EvictionPod[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const pod of plan.evict) {
      const result = await evictPod(pod, parts.transport, signal);
      if (result.kind === 'evicted') evicted(pod, profile, state, pods);
      if (result.kind === 'refused') refused(pod, result.error);
      if (result.kind !== 'denied') continue;
      deniedUntilMs = clock.now() + DENIED_MS;
      return;
    }
  }

  function say(profile: ProfileView, state: ObjectState, note: EvictionNote | undefined): void {
    if (state.note === note?.text) return;
    if (note === undefined) delete state.note;
    else state.note = note.text;
    parts.onNote(profile.name);
    if (note?.warning === undefined) return;
    announce(profile, { type: 'Warning', reason: note.warning, action: 'Evict', note: note.text });
  }

  async function keepReady(
    profile: ProfileView,
    state: ObjectState,
    signal: AbortSignal,
  ): Promise<ReconcileResult | undefined> {
    const pods = Array.from(parts.pods(profile.uid), (matched) =>
      evictionPod(matched, (nodeName) => parts.holds(profile.uid, nodeName)),
    );
    let plan = planFor(state, pods);
    for (const owner of plan.settled) state.awaited.delete(owner);
    state.proved += plan.settled.length;
    if (plan.evict.length > 0 && clock.now() >= deniedUntilMs) {
      await evictEach(plan, profile, state, pods, signal);
      plan = planFor(state, pods);
    }
    const deniedForMs = deniedUntilMs - clock.now();
    say(profile, state, evictionNote(plan, deniedForMs > 0));
    if (plan.progress.kind === 'done') return undefined;
    return { requeueAfterMs: deniedForMs > 0 ? deniedForMs : LOOK_AGAIN_MS };
  }

  return {
    async keep(name, signal) {
      const profile = parts.profile(name);
      if (profile === undefined || profile.deleting || !profile.evicts) {
        const said = objects.get(name)?.note !== undefined;
        objects.delete(name);
        if (said) parts.onNote(name);
        return undefined;
      }
      const settlesInMs = startedMs + SETTLE_MS - clock.now();
      if (settlesInMs > 0) return { requeueAfterMs: settlesInMs };
      const state = stateOf(profile);
      const lookInMs = state.lookedMs + LOOK_INTERVAL_MS - clock.now();
      if (lookInMs > 0) return { requeueAfterMs: lookInMs };
      state.lookedMs = clock.now();
      if (isReady(profile)) return keepReady(profile, state, signal);
      say(profile, state, { text: 'no pod is evicted before the condition Ready is True' });
      return undefined;
    },
    note: (name) => objects.get(name)?.note,
    forget: (name) => void objects.delete(name),
  };
}

/** Every node holds the profile, and a pod that is made now gets it. */
function isReady({ generation, status, verdict }: ProfileView): boolean {
  const ready = findCondition(status?.conditions, 'Ready');
  return verdict.kind === 'accepted' && ready?.status === 'True' && ready.observedGeneration === generation;
}
