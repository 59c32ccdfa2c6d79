import { difference, totalOf } from '../api-counts.ts';
import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import { growthOver, type Figure, type Point, type Row } from '../results.ts';
import { describeWrites, type World } from '../world.ts';

export interface Growth {
  /** What grows; the other stays as it is in all rows of this curve. */
  of: Point['of'];
  nodes: number;
  policies: number;
  /** Id of the curve's first row; absent: this is it. */
  from?: string;
}

/** Policies are applied at once: one point of the curves of time, writes and the controller's memory. */
export async function measureGrowth(world: World, growth: Growth, rows: readonly Row[]): Promise<Figure[]> {
  const { of, nodes, policies } = growth;
  const names = Array.from({ length: policies }, (_, index) => `bench-growth-${of}-${policies}-${index}`);
  const before = await world.writesAtRest();
  const startedAt = performance.now();
  const applied = await Promise.all(names.map((name) => applyPolicy(world, name, policyOf(name, 0))));
  await loadedEverywhere(world, applied, 900_000);
  const seconds = (performance.now() - startedAt) / 1000;
  const writes = difference(before, await world.writesAtRest());
  const { residentBytes } = await world.controller.usage();
  const point: Point = {
    of,
    size: of === 'nodes' ? nodes : policies,
    seconds,
    writes: totalOf(writes.map(({ count }) => count)),
    controllerMB: residentBytes / 1e6,
  };
  const first = rows.find(({ id }) => id === growth.from)?.point ?? point;
  return [
    {
      id: growthId(growth),
      value: growthOver(first, point),
      unit: 'times linear',
      goal: 1,
      detail: `${policies} policies on ${nodes} nodes: ${seconds.toFixed(2)} s; ${describeWrites(writes)}; the controller has ${point.controllerMB.toFixed(0)} MB`,
      point,
    },
  ];
}

export function growthId({ of, nodes, policies }: Growth): string {
  return `growth-${of === 'nodes' ? nodes : policies}-${of}`;
}
