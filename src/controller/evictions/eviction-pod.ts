import type { MatchedPod } from '../pods/matched-pods.ts';
import { RESTART_HELPS, type PodOutcome } from '../pods/pod-outcome.ts';
import type { EvictionPod } from './plan-evictions.ts';

/**
 * `holds`: whether a node holds what confines the pods. A DaemonSet makes the new pod for the same node, where it would never start if
 * that does not; others find another node.
 */
export function evictionPod({ pod, outcome }: MatchedPod, holds: (nodeName: string) => boolean): EvictionPod {
  const { name, uid, ready, deleting, nodeName, shape } = pod;
  const { namespace, owner } = shape;
  const stranded = owner?.kind === 'DaemonSet' && !holds(nodeName);
  const state = stranded ? 'other' : stateOf(outcome);
  return { namespace, name, uid, ready, deleting, state, ...(owner === undefined ? {} : { owner }) };
}

function stateOf(outcome: PodOutcome): EvictionPod['state'] {
  if (outcome.kind === 'confined' || outcome.kind === 'complaining') return 'confined';
  return outcome.kind === 'pendingRestart' && RESTART_HELPS.has(outcome.reason) ? 'pending' : 'other';
}
