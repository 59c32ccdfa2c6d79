import { setTimeout as sleep } from 'node:timers/promises';
import { difference, totalOf } from '../api-counts.ts';
import type { Figure } from '../results.ts';
import { describeWrites, type World } from '../world.ts';

/** An Event that was repeated says so once a minute: of what went before, the last write may come so late. */
const LATE_EVENT_MS = 70_000;

/**
 * Nothing happens, for so long: what the agents ask for all the same, what is written, and what it costs. Waits first until what
 * went before is over; `untouched`: nothing did.
 */
export async function measureIdle(world: World, durationMs: number, untouched = false): Promise<Figure[]> {
  const { fleet, controller, nodes } = world;
  const writesBefore = await world.writesAtRest(...(untouched ? [] : [LATE_EVENT_MS]));
  const before = { fleet: await fleet.figures(), controller: await controller.usage(), at: performance.now() };
  await sleep(durationMs, undefined, { signal: world.signal });
  const after = { fleet: await fleet.figures(), controller: await controller.usage(), at: performance.now() };
  const writes = difference(writesBefore, await world.writes());
  const seconds = (after.at - before.at) / 1000;
  const kinds = (['get', 'list', 'watch', 'write'] as const).map((kind) => ({
    kind,
    count: after.fleet.requests.byKind[kind] - before.fleet.requests.byKind[kind],
  }));
  // "Beside the open watches": a watch that is opened anew when its time is over is no request of its own.
  const asked = totalOf(kinds.filter(({ kind }) => kind !== 'watch').map(({ count }) => count));
  const how = `${nodes} nodes at rest for ${Math.round(seconds)} s`;
  return [
    {
      id: 'idle-requests-per-agent-hour',
      value: (asked / nodes) * (3600 / seconds),
      unit: 'requests',
      goal: 12,
      detail: `${how}; all agents together: ${kinds.map(({ kind, count }) => `${count} ${kind}`).join(', ')}; watches not counted`,
    },
    {
      id: 'idle-writes',
      value: totalOf(writes.map(({ count }) => count)),
      unit: 'writes',
      goal: 0,
      detail: `${how}; ${describeWrites(writes)}; no Leases`,
    },
    {
      id: 'idle-agent-cpu',
      value: ((after.fleet.cpuSeconds - before.fleet.cpuSeconds) / nodes / seconds) * 100,
      unit: '% of a core',
      goal: 0.1,
      detail: `${how}; over an in-memory kernel, which is cheaper to ask than a real one`,
    },
    {
      id: 'idle-controller-cpu',
      value: ((after.controller.cpuSeconds - before.controller.cpuSeconds) / seconds) * 100,
      unit: '% of a core',
      goal: 1,
      detail: how,
    },
  ];
}
