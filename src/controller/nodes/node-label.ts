import { LABEL } from '../../api/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import { NODES } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { createPatience, type Patience } from '../keeping/patience.ts';
import type { AgentState } from './agent-presence.ts';
import type { NodeView } from './node-view.ts';
import type { RowView } from './row-view.ts';

/**
 * What the node's label should say; undefined: not known in this boot, so that what stands there stays. Neither a node without
 * a Ready agent nor one that is not Ready loses it: kubelets refuse running pods whose node affinity no longer holds
 * when they start anew, so a label that went with the agent would end what runs there confined.
 */
export function enforcingLabel({
  node,
  row,
  agent,
}: {
  node: NodeView;
  row: RowView | undefined;
  agent: AgentState;
}): 'true' | 'false' | undefined {
  if (node.virtual) return undefined;
  if (agent.kind === 'securityfsMissing') return 'false';
  if (row?.enforcing === undefined || row.bootID !== node.bootID) return undefined;
  return row.enforcing ? 'true' : 'false';
}

export interface NodeLabelParts {
  client: Pick<KubeClient, 'mergePatch'>;
  logger: Logger;
  now: () => number;
}

/** Keeps the label of every node, and writes only where it differs. */
export interface NodeLabelKeeper {
  /** Throws KubeError; the caller retries. */
  keep(node: NodeView, wanted: 'true' | 'false' | undefined, signal: AbortSignal): Promise<ReconcileResult | undefined>;
  forget(name: string): void;
}

export function createNodeLabelKeeper({ client, logger, now }: NodeLabelParts): NodeLabelKeeper {
  const patience = new Map<string, Patience>();
  return {
    async keep({ name, uid, labels }, wanted, signal) {
      if (wanted === undefined || labels[LABEL.enforcing] === wanted) return undefined;
      // What sets the labels of a node group may insist on its own value.
      const ofNode = patience.get(name) ?? createPatience();
      patience.set(name, ofNode);
      const waitMs = ofNode.waitMs(now());
      if (waitMs > 0) return { requeueAfterMs: waitMs };
      ofNode.corrected(now());
      try {
        const patch = { metadata: { uid, labels: { [LABEL.enforcing]: wanted } } };
        await client.mergePatch(NODES, { name }, patch, { signal });
        logger.info('labelled a node', { node: name, enforcing: wanted });
      } catch (error) {
        // Gone, or another one of that name: the watch is about to say so.
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
      return undefined;
    },
    forget(name) {
      patience.delete(name);
    },
  };
}
