import { canonicalJson } from '../../api/revision.ts';
import { findCondition } from '../../api/conditions.ts';
import type { AppArmorProfileStatus } from '../../api/generated/index.ts';

/** `inTurn`: with what else waits, and not before `leastMs` from now. */
export type Pace = { kind: 'same' } | { kind: 'now' } | { kind: 'inTurn'; leastMs: number };

/** From this number of nodes on, what happens in between is written less often. */
const MANY_NODES = 100;
const FEW_NODES_INTERVAL_MS = 1000;
const MANY_NODES_INTERVAL_MS = 10_000;

/**
 * When to write a status: the first failure, the completion, and whatever changes Ready, the revision or the generation at
 * once; progress in between in turn with that of others, at most once a second, and every 10 s from 100 nodes on.
 */
export function paceWrite(input: {
  stored: AppArmorProfileStatus | undefined;
  next: AppArmorProfileStatus;
  /** Nodes in the cluster. */
  nodes: number;
  /** Milliseconds since the last write of this object's status; undefined: none by this controller. */
  sinceLastWriteMs: number | undefined;
}): Pace {
  const { stored, next } = input;
  if (stored !== undefined && canonicalJson(stored) === canonicalJson(next)) return { kind: 'same' };
  if (stored === undefined || isMilestone(stored, next)) return { kind: 'now' };
  const interval = input.nodes < MANY_NODES ? FEW_NODES_INTERVAL_MS : MANY_NODES_INTERVAL_MS;
  return { kind: 'inTurn', leastMs: Math.max(0, interval - (input.sinceLastWriteMs ?? interval)) };
}

function isMilestone(stored: AppArmorProfileStatus, next: AppArmorProfileStatus): boolean {
  return (
    stored.observedGeneration !== next.observedGeneration ||
    stored.revision !== next.revision ||
    findCondition(stored.conditions, 'Ready')?.status !== findCondition(next.conditions, 'Ready')?.status ||
    (problems(stored) === 0 && problems(next) > 0) ||
    (stored.nodes?.pending !== 0 && next.nodes?.pending === 0)
  );
}

function problems(summary: AppArmorProfileStatus): number {
  return (summary.nodes?.failed ?? 0) + (summary.nodes?.conflict ?? 0);
}
