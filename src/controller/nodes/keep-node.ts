import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { AgentState } from './agent-presence.ts';
import { keepRow, type RowParts } from './keep-row.ts';
import { createNodeLabelKeeper, enforcingLabel } from './node-label.ts';
import type { NodeView } from './node-view.ts';

export interface NodeParts extends RowParts {
  now: () => number;
  agent(node: NodeView): AgentState;
  /** A node's agent came, went for good, or cannot start: every object counts that node differently now. */
  onAgentChange(): void;
}

/** Looks after one node at a time: its AppArmorNode, whether its agent is there, and the label by which pods find it. */
export interface NodeKeeper {
  keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
}

export function createNodeKeeper(parts: NodeParts): NodeKeeper {
  const counted = new Map<string, CountedAgent>();
  const label = createNodeLabelKeeper(parts);
  return {
    async keep(name, signal) {
      const node = parts.node(name);
      if (node === undefined) {
        counted.delete(name);
        label.forget(name);
        return undefined;
      }
      await keepRow(name, parts, signal);
      const state = parts.agent(node);
      const before = counted.get(name) ?? 'there';
      const now = countedAs(state);
      counted.set(name, now);
      if (now !== before) parts.onAgentChange();
      const wanted = enforcingLabel({ node, row: parts.row(name), agent: state });
      const labelled = await label.keep(node, wanted, signal);
      const due = [labelled?.requeueAfterMs, state.kind === 'grace' ? state.endsInMs : undefined].filter(
        (ms) => ms !== undefined,
      );
      return due.length === 0 ? undefined : { requeueAfterMs: Math.min(...due) };
    },
  };
}

type CountedAgent = 'there' | 'gone' | 'securityfsMissing';

function countedAs(state: AgentState): CountedAgent {
  return state.kind === 'ready' || state.kind === 'grace' ? 'there' : state.kind;
}
