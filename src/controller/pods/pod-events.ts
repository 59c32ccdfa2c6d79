import { shorten } from '../../api/conditions.ts';
import type { Clock } from '../../kube/clock.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { apiVersionOf, PODS } from '../../kube/resource.ts';
import { LONGEST_NOTE } from '../announce.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import type { PendingPod, PodCount } from './count-pods.ts';
import { RESTART_HELPS } from './pod-outcome.ts';
import type { PodView } from './pod-view.ts';

/** Tells of pods that should be confined and are not, by Events on them: once for each pod and reason. */
export interface PodEvents {
  /** Returns in how many ms it is to be called again because some pods had to wait; undefined: none. */
  tell(profile: Pick<ProfileView, 'name' | 'status'>, count: PodCount): number | undefined;
  /** Of an object that is gone. */
  forget(name: string): void;
}

/** So many at once, and one more each interval: the rest wait, so that a large cluster is not flooded by one change. */
const MOST_AT_ONCE = 30;
const INTERVAL_MS = 2000;

export interface PodEventsParts {
  events: Pick<EventRecorder, 'record'>;
  clock: Pick<Clock, 'now'>;
  /** The pod of this key, as the cache has it. */
  pod: (key: string) => Pick<PodView, 'uid'> | undefined;
}

export function createPodEvents({ events, clock, pod }: PodEventsParts): PodEvents {
  /** By name of the object: of the pods that were told of, by `uid reason`. */
  const told = new Map<string, Map<string, { key: string; uid: string }>>();
  let credit = MOST_AT_ONCE;
  let creditAt = clock.now();

  function takeCredit(): boolean {
    const earned = Math.floor((clock.now() - creditAt) / INTERVAL_MS);
    creditAt += earned * INTERVAL_MS;
    credit = Math.min(MOST_AT_ONCE, credit + earned);
    if (credit === 0) return false;
    credit -= 1;
    return true;
  }

  return {
    tell(profile, { pending }) {
      const worth = pending.filter(isWorthTelling).sort((left, right) => (left.key < right.key ? -1 : 1));
      const before = told.get(profile.name);
      const toldOf = before ?? new Map<string, { key: string; uid: string }>();
      told.set(profile.name, toldOf);
      for (const [id, one] of toldOf) if (pod(one.key)?.uid !== one.uid) toldOf.delete(id);
      let waiting = false;
      // What the status said already when this controller began to lead, an earlier leader has told of.
      const known = before === undefined && profile.status?.pods?.pendingRestart === pending.length;
      for (const one of worth) {
        const id = `${one.pod.uid} ${one.outcome.reason}`;
        if (toldOf.has(id)) continue;
        if (!known && !takeCredit()) {
          waiting = true;
          break;
        }
        toldOf.set(id, { key: one.key, uid: one.pod.uid });
        if (!known) events.record(noticeOf(one, profile.name));
      }
      return waiting ? INTERVAL_MS : undefined;
    },
    forget: (name) => told.delete(name),
  };
}

/** A node that holds nothing yet, as after a reboot, is not the pod's news; nor is a pod that is on its way out. */
function isWorthTelling({ pod, outcome }: PendingPod): boolean {
  return !pod.deleting && (RESTART_HELPS.has(outcome.reason) || outcome.runsWithout);
}

function noticeOf({ pod, outcome }: PendingPod, object: string) {
  return {
    regarding: {
      apiVersion: apiVersionOf(PODS),
      kind: PODS.kind,
      namespace: pod.shape.namespace,
      name: pod.name,
      uid: pod.uid,
    },
    type: 'Warning' as const,
    reason: outcome.reason,
    action: 'Confine',
    note: shorten(`AppArmorProfile ${object} should confine it: ${outcome.message}`, LONGEST_NOTE),
  };
}
