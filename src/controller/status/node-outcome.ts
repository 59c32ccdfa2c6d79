import type { AppArmorNodeStatusProblem } from '../../api/generated/index.ts';
import { UNREACHABLE_REASON, type UnreachableReason } from '../../api/reasons.ts';
import { selectsNode } from '../../api/revision.ts';
import type { AgentState } from '../nodes/agent-presence.ts';
import type { NodeView } from '../nodes/node-view.ts';
import type { RowView } from '../nodes/row-view.ts';
import type { RevisionView } from '../revisions/revision-view.ts';

/** Everything that is known of one node. */
export interface NodeFacts {
  node: NodeView;
  row: RowView | undefined;
  agent: AgentState;
}

/** What one node makes of one revision. */
export type NodeOutcome =
  | { kind: 'loaded' }
  | { kind: 'pending' }
  | { kind: 'failed' | 'conflict'; problem: AppArmorNodeStatusProblem }
  | { kind: 'unreachable'; reason: UnreachableReason }
  | { kind: 'unsupported'; reason: string };

/**
 * What the node makes of the revision; undefined if the revision does not mean it. What a node said before it was
 * restarted does not count, nor what it said while nobody can ask it again.
 */
export function nodeOutcome(facts: NodeFacts, revision: RevisionView): NodeOutcome | undefined {
  const { node, row } = facts;
  if (!selectsNode(revision.nodeSelector, node.labels)) return undefined;
  const health = nodeHealth(facts);
  if (health.kind !== 'enforcing') return health;
  if (row === undefined) return { kind: 'pending' };

  const problems = row.problems.filter(
    ({ object, revision: hash, state }) =>
      object === revision.objectName && hash === revision.hash && state !== 'Retained',
  );
  const failed = problems.find(({ state }) => state === 'Failed');
  if (failed !== undefined) return { kind: 'failed', problem: failed };
  const conflict = problems.find(({ state }) => state === 'Conflict');
  if (conflict !== undefined) return { kind: 'conflict', problem: conflict };
  const complete =
    revision.profiles.length > 0 && revision.profiles.every((name) => row.loaded[name] === revision.hash);
  return complete ? { kind: 'loaded' } : { kind: 'pending' };
}

export type NodeHealth =
  | { kind: 'enforcing' }
  /** Its agent has not reported since it booted. */
  | { kind: 'pending' }
  | { kind: 'unreachable'; reason: UnreachableReason }
  | { kind: 'unsupported'; reason: string };

/** What can be expected of the node at all, whatever the policy. */
export function nodeHealth({ node, row, agent }: NodeFacts): NodeHealth {
  if (node.virtual) return { kind: 'unreachable', reason: UNREACHABLE_REASON.virtual };
  if (!node.ready) return { kind: 'unreachable', reason: UNREACHABLE_REASON.notReady };
  if (agent.kind === 'securityfsMissing') return { kind: 'unsupported', reason: 'SecurityfsMissing' };
  if (agent.kind === 'gone') return { kind: 'unreachable', reason: UNREACHABLE_REASON.noAgent };
  if (row?.enforcing === undefined || row.bootID !== node.bootID) return { kind: 'pending' };
  if (!row.enforcing) return { kind: 'unsupported', reason: row.reason === '' ? 'Unknown' : row.reason };
  return { kind: 'enforcing' };
}
