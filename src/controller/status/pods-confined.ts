import type { WantedCondition } from '../../api/conditions.ts';
import { PENDING_REASON, PODS_REASON, type PendingReason, type PodsReason } from '../../api/reasons.ts';
import type { PodCount, PodGroup } from '../pods/count-pods.ts';

/**
 * The condition PodsConfined of an object with spec.pods: True if every pod that it selects runs under the profile, except
 * those that are skipped, and there is at least one. `note`: what else is to be said.
 */
export function podsConfined(count: PodCount, note?: string): WantedCondition {
  const { counts, missingContainers } = count;
  const { reason, text } = judge(count);
  const message = [
    counts.matched === 0
      ? 'no pod on a node matches spec.pods'
      : `${counts.confined} of ${pods(counts.matched)} confined`,
    ...text,
    ...(count.skipped.length === 0 ? [] : [`${pods(counts.skipped)} skipped: ${groups(count.skipped)}`]),
    ...(missingContainers.length === 0 ? [] : [missingText(missingContainers)]),
    ...(note === undefined ? [] : [note]),
  ].join('; ');
  return { type: 'PodsConfined', status: reason === PODS_REASON.confined ? 'True' : 'False', reason, message };
}

/** Of `spec.pods.containers`, which no pod has: a misspelt name confines nothing, silently. */
export function missingText(names: readonly string[]): string {
  return `spec.pods.containers names ${names.join(', ')}, which no matching pod has: correct the name, or leave it out`;
}

function judge({ counts, pendingRestart }: PodCount): { reason: PodsReason; text: readonly string[] } {
  if (counts.matched === 0) return { reason: PODS_REASON.noMatchingPod, text: [] };
  const complaining =
    counts.complaining === 0 ? [] : [`${pods(counts.complaining)} under it in a mode that refuses nothing`];
  if (counts.pendingRestart > 0) {
    const reasons = new Set(pendingRestart.map(({ reason }) => reason));
    const reason = WORST_FIRST.find(([pending]) => reasons.has(pending))?.[1] ?? PODS_REASON.podsPendingRestart;
    return { reason, text: [`${pods(counts.pendingRestart)} not: ${groups(pendingRestart)}`, ...complaining] };
  }
  if (counts.complaining > 0) return { reason: PODS_REASON.complaining, text: complaining };
  return { reason: counts.confined === 0 ? PODS_REASON.podsSkipped : PODS_REASON.confined, text: [] };
}

const WORST_FIRST: readonly [PendingReason, PodsReason][] = [
  [PENDING_REASON.confinementLost, PODS_REASON.confinementLost],
  [PENDING_REASON.partlyConfined, PODS_REASON.podsPendingRestart],
  [PENDING_REASON.noProfile, PODS_REASON.podsPendingRestart],
  [PENDING_REASON.earlierRule, PODS_REASON.podsPendingRestart],
  [PENDING_REASON.nodeDoesNotHold, PODS_REASON.nodeDoesNotHold],
];

/** As `2 NoProfile, such as shop/web-1: …`. */
function groups(all: readonly PodGroup<string>[]): string {
  return all
    .map(({ reason, pods: count, example, message }) => `${count} ${reason} (${example}: ${message})`)
    .join(', ');
}

function pods(count: number): string {
  return count === 1 ? '1 pod' : `${count} pods`;
}
