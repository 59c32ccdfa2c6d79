import type { NodeView } from './node-view.ts';
import type { RowView } from './row-view.ts';

export type RowPlan =
  | { kind: 'keep' }
  | { kind: 'create'; node: NodeView }
  /** Somebody took the owner away: without it the row would outlive the node. */
  | { kind: 'own'; row: RowView; node: NodeView };

/**
 * One AppArmorNode per Linux node that has a kernel, owned by the Node. The garbage collector removes it with the Node, also
 * where a Node of the same name is there again: then its deletion brings the next reconcile.
 */
export function planRow(node: NodeView | undefined, row: RowView | undefined): RowPlan {
  if (node === undefined || node.virtual) return { kind: 'keep' };
  if (row === undefined) return { kind: 'create', node };
  if (row.deleting || row.owners.some(({ kind }) => kind === 'Node')) return { kind: 'keep' };
  return { kind: 'own', row, node };
}
