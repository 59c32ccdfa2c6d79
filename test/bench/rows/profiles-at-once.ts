import { difference } from '../api-counts.ts';
import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import { describeWrites, type World } from '../world.ts';

/** Many policies are applied at once: how often each node writes until it has reported them all. */
export async function measureProfilesAtOnce(world: World, profiles: number): Promise<Figure[]> {
  const before = await world.writesAtRest();
  const startedAt = performance.now();
  const names = Array.from({ length: profiles }, (_, index) => `bench-at-once-${index}`);
  const applied = await Promise.all(names.map((name) => applyPolicy(world, name, policyOf(name, 0))));
  const appliedAfter = (performance.now() - startedAt) / 1000;
  await loadedEverywhere(world, applied, Math.max(600_000, LOAD_MS * world.nodes * profiles));
  const elapsed = (performance.now() - startedAt) / 1000;
  const writes = difference(before, await world.writesAtRest());
  const byNodes = writes.find(({ what }) => what.endsWith('apparmornodes/status'))?.count ?? 0;
  return [
    {
      id: `writes-per-node-${profiles}-profiles`,
      value: byNodes / world.nodes,
      unit: 'writes per node',
      goal: 3,
      detail: `${world.nodes} nodes, ${profiles} policies applied at once, accepted after ${appliedAfter.toFixed(1)} s, on all nodes after ${elapsed.toFixed(1)} s; ${describeWrites(writes)}`,
    },
  ];
}

/** A deadline, five times what a load takes this machine, whose processors all agents share: 2.6 ms measured. */
const LOAD_MS = 15;
