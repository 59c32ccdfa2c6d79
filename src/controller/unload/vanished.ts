import type { NodeFacts } from '../status/node-outcome.ts';
import { isRemovable } from './plan-unload.ts';

/** What is left of the AppArmorProfiles, and of what they loaded. */
export type Vanished =
  /** Some object lives, or what vanished was a single one. */
  | 'no'
  /** None lives, and nodes hold what two or more of them loaded. */
  | 'together'
  /** None lives, and nodes hold something that they have not yet reported as Retained, so it is not known whose it is. */
  | 'unclear';

/**
 * Whether all AppArmorProfiles vanished together. A person who means to remove a policy removes it from others that stay; an
 * emptied Git folder or a restored cluster does not mean it. Rows of an earlier boot count for nothing.
 */
export function vanishedTogether(objects: number, nodes: Iterable<NodeFacts>): Vanished {
  if (objects > 0) return 'no';
  const vanished = new Set<string>();
  const known = new Set<string>();
  const loaded = new Set<string>();
  for (const { node, row } of nodes) {
    if (row === undefined || row.bootID !== node.bootID) continue;
    for (const problem of row.problems.filter(isRemovable)) {
      vanished.add(problem.object);
      known.add(problem.revision);
    }
    if (vanished.size > 1) return 'together';
    for (const revision of Object.values(row.loaded)) loaded.add(revision);
  }
  return [...loaded].every((revision) => known.has(revision)) ? 'no' : 'unclear';
}
