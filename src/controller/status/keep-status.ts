import type { PodRule } from '../../admission/pods/rule.ts';
import type { AppArmorProfile, AppArmorProfileStatus } from '../../api/generated/index.ts';
import { FIELD_MANAGER } from '../../api/names.ts';
import { APPARMOR_PROFILE } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Announce } from '../announce.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import { countPods, type PodCount } from '../pods/count-pods.ts';
import type { MatchedPod } from '../pods/matched-pods.ts';
import type { PodEvents } from '../pods/pod-events.ts';
import type { RuleState } from '../pods/rule-state.ts';
import type { ReviewState } from '../revisions/review-state.ts';
import { revisionInForce, type RevisionView } from '../revisions/revision-view.ts';
import type { NodeFacts } from './node-outcome.ts';
import { paceWrite } from './pace.ts';
import { statusEvents } from './status-events.ts';
import { summarize } from './summarize.ts';
import { createTurns } from './turns.ts';

export interface StatusParts {
  client: KubeClient;
  clock: Clock;
  announce: Announce;
  profile(name: string): ProfileView | undefined;
  revisionsOf(objectUid: string): readonly RevisionView[];
  nodes(): Iterable<NodeFacts>;
  nodeCount(): number;
  /** Of the spec that the cache has; undefined: not begun. */
  review(profile: ProfileView): ReviewState | undefined;
  publishProblem(name: string): string | undefined;
  /** Of the accepted spec's rule for pods, once its revision is in force. */
  podRule(profile: ProfileView, inForce: RevisionView): RuleState | undefined;
  /** Those that the rule of the object with this uid selects. */
  pods(objectUid: string): Iterable<MatchedPod>;
  /** What else the condition PodsConfined is to say of the object. */
  podsNote(profile: ProfileView): string | undefined;
  podEvents: PodEvents;
}

/** Keeps the status of all objects; remembers what it wrote and when, for one term of leadership. */
export interface StatusKeeper {
  keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
  forget(name: string): void;
}

interface Written {
  uid: string;
  atMs: number;
  /** Stands in for the cache's until the watch has delivered it. */
  status?: { summary: AppArmorProfileStatus; resourceVersion: string };
}

/** In a large cluster a summary looks at thousands of nodes, so one object's is made at most once in this time. */
const MANY_NODES = 100;
const SUMMARY_INTERVAL_MS = 1000;

/** To count 50,000 pods takes 0.15 s, so those of an object that has many are counted at most once in this time. */
const MANY_PODS = 5000;
const COUNT_INTERVAL_MS = 5000;

/** Most trial compiles end in less: then one write says that the revision is published. */
const SHORT_TRIAL_MS = 1000;

/** The watch delivers a write within milliseconds; one that was compacted away never comes by itself. */
const AWAIT_OWN_WRITE_MS = 5000;

export function createStatusKeeper(parts: StatusParts): StatusKeeper {
  const written = new Map<string, Written>();
  const computedAt = new Map<string, number>();
  const turns = createTurns();
  const counted = new Map<string, { atMs: number; rule: PodRule; pods: PodCount }>();

  async function keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const profile = parts.profile(name);
    if (profile === undefined || profile.deleting) return undefined;
    const nowMs = parts.clock.now();
    const sinceSummary = nowMs - (computedAt.get(name) ?? -Infinity);
    if (parts.nodeCount() >= MANY_NODES && sinceSummary < SUMMARY_INTERVAL_MS) {
      return { requeueAfterMs: SUMMARY_INTERVAL_MS - sinceSummary };
    }
    computedAt.set(name, nowMs);
    // The revision follows within milliseconds; one write says both. At first sight, and if it fails, it is said.
    const news = profile.status === undefined ? undefined : untilNews(profile, parts);
    if (news !== undefined) return news;

    const last = written.get(name);
    const current = withOwnWrite(profile, last, nowMs);
    const { pods, countInMs } = countOf(profile, nowMs);
    const tellInMs = pods === undefined ? undefined : parts.podEvents.tell(profile, pods);
    const lookAgain = soonest(countInMs, tellInMs);
    const next = summaryOf(current, pods, parts);
    const pace = paceWrite({
      stored: current.status,
      next,
      nodes: parts.nodeCount(),
      sinceLastWriteMs: last?.uid === profile.uid ? nowMs - last.atMs : undefined,
    });
    const waitMs = pace.kind === 'inTurn' ? turns.until(name, nowMs, pace.leastMs) : 0;
    if (waitMs > 0) return soonest(waitMs, lookAgain?.requeueAfterMs);
    turns.giveBack(name);
    if (pace.kind === 'same') return lookAgain;

    const resourceVersion = await write(current, next, parts, signal);
    if (resourceVersion === undefined) return undefined;
    written.set(name, { uid: profile.uid, atMs: nowMs, status: { summary: next, resourceVersion } });
    for (const announcement of statusEvents(current.status, next)) parts.announce(profile, announcement);
    return lookAgain;
  }

  /** Counted by the rule that is in force, as new pods get their profile by it. */
  function countOf(profile: ProfileView, nowMs: number): { pods?: PodCount; countInMs?: number } {
    const rule = inForceOf(profile, parts)?.podRule;
    if (rule === undefined) return {};
    const last = counted.get(profile.name);
    const sinceMs = nowMs - (last?.atMs ?? -Infinity);
    if (last?.rule === rule && last.pods.counts.matched >= MANY_PODS && sinceMs < COUNT_INTERVAL_MS) {
      return { pods: last.pods, countInMs: COUNT_INTERVAL_MS - sinceMs };
    }
    const pods = countPods(parts.pods(profile.uid), rule);
    counted.set(profile.name, { atMs: nowMs, rule, pods });
    return { pods };
  }

  return {
    keep,
    forget(name) {
      parts.podEvents.forget(name);
      written.delete(name);
      computedAt.delete(name);
      turns.giveBack(name);
      counted.delete(name);
    },
  };
}

function soonest(...waits: readonly (number | undefined)[]): ReconcileResult | undefined {
  const requeueAfterMs = Math.min(...waits.map((ms) => ms ?? Infinity));
  return requeueAfterMs === Infinity ? undefined : { requeueAfterMs };
}

function summaryOf(profile: ProfileView, pods: PodCount | undefined, parts: StatusParts): AppArmorProfileStatus {
  const podsNote = pods === undefined ? undefined : parts.podsNote(profile);
  const publishProblem = parts.publishProblem(profile.name);
  const review = parts.review(profile);
  const inForce = inForceOf(profile, parts);
  const podRule = inForce === undefined ? undefined : parts.podRule(profile, inForce);
  return summarize({
    profile,
    inForce,
    nodes: parts.nodes(),
    now: parts.clock.date(),
    ...(review === undefined ? {} : { review }),
    ...(podRule === undefined ? {} : { podRule }),
    ...(pods === undefined ? {} : { pods }),
    ...(podsNote === undefined ? {} : { podsNote }),
    ...(publishProblem === undefined ? {} : { publishProblem }),
  });
}

function inForceOf(profile: ProfileView, parts: StatusParts): RevisionView | undefined {
  return revisionInForce(parts.revisionsOf(profile.uid));
}

/** How to wait, where the end of the publication is about to bring the next look; undefined: write now. */
function untilNews(profile: ProfileView, parts: StatusParts): ReconcileResult | undefined {
  const { verdict } = profile;
  if (verdict.kind === 'refused' || parts.publishProblem(profile.name) !== undefined) return undefined;
  if (inForceOf(profile, parts)?.hash === verdict.hash) return undefined;
  const review = parts.review(profile);
  if (review === undefined || review.kind === 'passed') return {};
  if (review.kind !== 'compiling' || review.slow) return undefined;
  const inMs = SHORT_TRIAL_MS - (parts.clock.now() - review.sinceMs);
  return inMs <= 0 ? undefined : { requeueAfterMs: inMs };
}

/** The object with the status that we wrote last, while the cache has not seen that write. */
function withOwnWrite(profile: ProfileView, last: Written | undefined, nowMs: number): ProfileView {
  if (last?.status === undefined || last.uid !== profile.uid) return profile;
  if (nowMs - last.atMs > AWAIT_OWN_WRITE_MS || !isOlder(profile.resourceVersion, last.status.resourceVersion)) {
    delete last.status;
    return profile;
  }
  return { ...profile, status: last.status.summary };
}

/** Kubernetes 1.35 made official what was true before: resourceVersions of one kind are comparable numbers. */
function isOlder(left: string, right: string): boolean {
  return left.length === right.length ? left < right : left.length < right.length;
}

/** Resolves with the new resourceVersion; undefined if the object is gone or is another one by now. */
async function write(
  profile: ProfileView,
  status: AppArmorProfileStatus,
  parts: StatusParts,
  signal: AbortSignal,
): Promise<string | undefined> {
  // With the uid, a re-created object's status is never written from what the old one was.
  const object = { metadata: { name: profile.name, uid: profile.uid }, status };
  try {
    const stored = await parts.client.apply<AppArmorProfile>(APPARMOR_PROFILE, object, {
      fieldManager: FIELD_MANAGER.controller,
      force: true,
      subresource: 'status',
      signal,
    });
    return stored.metadata.resourceVersion;
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return undefined;
    throw error;
  }
}
