import type { NodeView } from './node-view.ts';
import type { RowView } from './row-view.ts';

export type RowPlan =
  | { kind: 'keep' }
  | { kind: 'create'; node: NodeView }
  /** Somebody took the owner away: without it the row would outlive the node. */
  | { kind: 'own'; row: RowView; node: NodeView }
  /** The API server names the writer of each field, for appliers that share an object, which nobody does here. */
  | { kind: 'untrack'; row: RowView; resourceVersion: string };

/**
 * One AppArmorNode per Linux node that has a kernel, owned by the Node. The garbage collector removes it with the Node, also
 * where a Node of the same name is there again: then its deletion brings the next reconcile.
 */
export function planRow(node: NodeView | undefined, row: RowView | undefined): RowPlan {
  if (node === undefined || node.virtual) return { kind: 'keep' };
  if (row === undefined) return { kind: 'create', node };
  if (row.deleting) return { kind: 'keep' };
  if (!row.owners.some(({ kind }) => kind === 'Node')) return { kind: 'own', row, node };
  if (row.trackedAt !== undefined) return { kind: 'untrack', row, resourceVersion: row.trackedAt };
  return { kind: 'keep' };
}
