import { LABEL } from '../../api/names.ts';
import { APPARMOR_NODE, type OwnerReference } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import type { Logger } from '../../log.ts';
import type { NodeView } from './node-view.ts';
import { planRow, type RowPlan } from './plan-row.ts';
import type { RowView } from './row-view.ts';

export interface RowParts {
  client: KubeClient;
  logger: Logger;
  node(name: string): NodeView | undefined;
  row(name: string): RowView | undefined;
}

/** One reconcile of a node's AppArmorNode. Throws KubeError; the caller retries. */
export async function keepRow(name: string, parts: RowParts, signal: AbortSignal): Promise<void> {
  const plan = planRow(parts.node(name), parts.row(name));
  try {
    await act(plan, parts, signal);
  } catch (error) {
    // The caches are about to learn what the API server already knows, and that event brings the next reconcile.
    if (isAlreadyExists(error) || isConflict(error)) return;
    // But where a row cannot be created because the CRD is gone, no event tells that it is back: try again.
    if (plan.kind === 'create' || !isNotFound(error)) throw error;
  }
}

async function act(plan: RowPlan, parts: RowParts, signal: AbortSignal): Promise<void> {
  switch (plan.kind) {
    case 'keep':
      return;
    case 'create':
      await parts.client.create(APPARMOR_NODE, rowObject(plan.node), { signal });
      parts.logger.info('created an AppArmorNode', { node: plan.node.name });
      return;
    case 'own': {
      const { name, uid, owners } = plan.row;
      const patch = { metadata: { uid, ownerReferences: [...owners, ownerReference(plan.node)] } };
      await parts.client.mergePatch(APPARMOR_NODE, { name }, patch, { signal });
      return;
    }
    case 'untrack': {
      const { name, uid } = plan.row;
      const patch = { metadata: { uid, resourceVersion: plan.resourceVersion, managedFields: [{}] } };
      await parts.client.mergePatch(APPARMOR_NODE, { name }, patch, { signal, metadataOnly: true });
      return;
    }
  }
}

export function rowObject(node: NodeView) {
  return {
    metadata: {
      name: node.name,
      labels: { [LABEL.managedBy]: 'apparmor-operator' },
      ownerReferences: [ownerReference(node)],
    },
    spec: {},
  };
}

function ownerReference(node: NodeView): OwnerReference {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    name: node.name,
    uid: node.uid,
    controller: true,
    blockOwnerDeletion: false,
  };
}
