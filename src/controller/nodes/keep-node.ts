import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { AgentState } from './agent-presence.ts';
import { keepRow, type RowParts } from './keep-row.ts';
import type { NodeView } from './node-view.ts';

export interface NodeParts extends RowParts {
  agent(node: NodeView): AgentState;
  /** A node's agent came, went for good, or cannot start: every object counts that node differently now. */
  onAgentChange(): void;
}

/** Looks after one node at a time: its AppArmorNode, and whether its agent is there. */
export interface NodeKeeper {
  keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
}

export function createNodeKeeper(parts: NodeParts): NodeKeeper {
  const counted = new Map<string, CountedAgent>();
  return {
    async keep(name, signal) {
      const node = parts.node(name);
      if (node === undefined) {
        counted.delete(name);
        return undefined;
      }
      await keepRow(name, parts, signal);
      const state = parts.agent(node);
      const before = counted.get(name) ?? 'there';
      const now = countedAs(state);
      counted.set(name, now);
      if (now !== before) parts.onAgentChange();
      return state.kind === 'grace' ? { requeueAfterMs: state.endsInMs } : undefined;
    },
  };
}

type CountedAgent = 'there' | 'gone' | 'securityfsMissing';

function countedAs(state: AgentState): CountedAgent {
  return state.kind === 'ready' || state.kind === 'grace' ? 'there' : state.kind;
}
