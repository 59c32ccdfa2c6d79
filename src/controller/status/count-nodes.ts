import type { AppArmorProfileStatusNodes } from '../../api/generated/index.ts';
import { PERMANENT_NODE_REASONS } from '../../api/reasons.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import { nodeOutcome, type NodeFacts } from './node-outcome.ts';

/** What all nodes make of a revision. */
export interface NodeCount {
  counts: AppArmorProfileStatusNodes;
  /** Nodes that should hold the revision and can. */
  able: number;
  /** Grouped by reason, message and line; the most frequent first. */
  failures: readonly GroupedFailure[];
  /** Reasons of nodes that are unreachable or unsupported, with their number; the most frequent first. */
  leftOut: readonly { reason: string; nodes: number }[];
  /** Whether some failure stays the same however often it is tried. */
  permanent: boolean;
}

export interface GroupedFailure {
  kind: 'failed' | 'conflict';
  reason: string;
  message: string;
  line?: number;
  nodes: number;
  /** The first of these nodes by name, so that the status does not change with the order of a watch. */
  example: string;
}

/** Counts each node that the revision means as desired and in exactly one other field. Without a revision there is none. */
export function countNodes(revision: RevisionView | undefined, nodes: Iterable<NodeFacts>): NodeCount {
  const counts = { desired: 0, loaded: 0, pending: 0, failed: 0, conflict: 0, unreachable: 0, unsupported: 0 };
  const failures = new Map<string, GroupedFailure>();
  const leftOut = new Map<string, number>();
  for (const facts of revision === undefined ? [] : nodes) {
    const outcome = revision === undefined ? undefined : nodeOutcome(facts, revision);
    if (outcome === undefined) continue;
    counts.desired += 1;
    counts[outcome.kind] += 1;
    switch (outcome.kind) {
      case 'loaded':
      case 'pending':
        break;
      case 'failed':
      case 'conflict': {
        const { reason, message, line } = outcome.problem;
        addFailure(
          failures,
          { kind: outcome.kind, reason, message, ...(line === undefined ? {} : { line }) },
          facts.node.name,
        );
        break;
      }
      case 'unreachable':
      case 'unsupported':
        leftOut.set(outcome.reason, (leftOut.get(outcome.reason) ?? 0) + 1);
        break;
    }
  }
  const grouped = [...failures.values()].sort(
    (left, right) => right.nodes - left.nodes || compareText(failureKey(left), failureKey(right)),
  );
  return {
    counts,
    able: counts.desired - counts.unreachable - counts.unsupported,
    failures: grouped,
    leftOut: [...leftOut]
      .map(([reason, nodes]) => ({ reason, nodes }))
      .sort((left, right) => right.nodes - left.nodes || compareText(left.reason, right.reason)),
    permanent: grouped.some(({ kind, reason }) => kind === 'failed' && PERMANENT_NODE_REASONS.has(reason)),
  };
}

type Failure = Pick<GroupedFailure, 'kind' | 'reason' | 'message' | 'line'>;

function addFailure(groups: Map<string, GroupedFailure>, failure: Failure, node: string): void {
  const key = failureKey(failure);
  const group = groups.get(key);
  if (group === undefined) {
    groups.set(key, { ...failure, nodes: 1, example: node });
    return;
  }
  group.nodes += 1;
  if (node < group.example) group.example = node;
}

function failureKey({ kind, reason, message, line }: Failure): string {
  return JSON.stringify([kind, reason, line ?? 0, message]);
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
