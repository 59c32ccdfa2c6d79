import type { PodRule } from '../../admission/pods/rule.ts';
import type { AppArmorProfileStatusPods } from '../../api/generated/index.ts';
import type { PendingReason } from '../../api/reasons.ts';
import type { MatchedPod } from './matched-pods.ts';
import type { PodOutcome, SkippedReason } from './pod-outcome.ts';

/** What an object's rule makes of all pods that it selects. */
export interface PodCount {
  /** The other four add up to `matched`. */
  counts: AppArmorProfileStatusPods;
  /** By reason, the most frequent first. */
  pendingRestart: readonly PodGroup<PendingReason>[];
  skipped: readonly PodGroup<SkippedReason>[];
  /** Names in `containers` of the rule that no selected pod has; none where no pod is selected. */
  missingContainers: readonly string[];
  /** Those that need a restart, in no order. */
  pending: readonly PendingPod[];
}

export interface PodGroup<Reason extends string> {
  reason: Reason;
  pods: number;
  /** `namespace/name` of the first of them, so that the status does not change with the order of a watch. */
  example: string;
  /** Of the example. */
  message: string;
}

export type PendingPod = MatchedPod & { outcome: Extract<PodOutcome, { kind: 'pendingRestart' }> };

export function countPods(matched: Iterable<MatchedPod>, rule: Pick<PodRule, 'containers'>): PodCount {
  const counts = { matched: 0, confined: 0, complaining: 0, pendingRestart: 0, skipped: 0 };
  const pendingRestart = new Map<PendingReason, PodGroup<PendingReason>>();
  const skipped = new Map<SkippedReason, PodGroup<SkippedReason>>();
  const pending: PendingPod[] = [];
  const missing = new Set(rule.containers);
  for (const one of matched) {
    const { key, pod, outcome } = one;
    counts.matched += 1;
    counts[outcome.kind] += 1;
    if (missing.size > 0) pod.shape.subject.containers.forEach(({ name }) => missing.delete(name));
    if (outcome.kind === 'skipped') addToGroup(skipped, outcome, key);
    if (outcome.kind !== 'pendingRestart') continue;
    addToGroup(pendingRestart, outcome, key);
    pending.push({ ...one, outcome });
  }
  return {
    counts,
    pendingRestart: frequentFirst(pendingRestart),
    skipped: frequentFirst(skipped),
    missingContainers: counts.matched === 0 ? [] : [...missing],
    pending,
  };
}

function addToGroup<R extends string>(
  groups: Map<R, PodGroup<R>>,
  { reason, message }: { reason: R; message: string },
  key: string,
): void {
  const group = groups.get(reason);
  if (group === undefined) {
    groups.set(reason, { reason, pods: 1, example: key, message });
    return;
  }
  group.pods += 1;
  if (key < group.example) Object.assign(group, { example: key, message });
}

function frequentFirst<R extends string>(groups: Map<R, PodGroup<R>>): PodGroup<R>[] {
  return [...groups.values()].sort((left, right) => right.pods - left.pods || (left.reason < right.reason ? -1 : 1));
}
