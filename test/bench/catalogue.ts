import type { Cache } from '../testbed/cache.ts';
import type { Figure } from './results.ts';
import { measureChange } from './rows/change.ts';
import { measureProfilesAtOnce } from './rows/profiles-at-once.ts';
import { measureIdle } from './rows/idle.ts';
import { measureImage } from './rows/image.ts';
import { measureRestart } from './rows/restart.ts';
import { measureWebhook } from './rows/webhook.ts';
import type { World } from './world.ts';

/** What measures some rows. Those in a world of the same number of nodes run one after the other in the same one. */
export interface Measurement {
  ids: readonly string[];
  in: { kind: 'world'; nodes: number; measure: (world: World) => Promise<Figure[]> } | Alone;
}

interface Alone {
  kind: 'alone';
  measure: (cache: Cache) => Promise<Figure[]>;
}

const MINUTE = 60_000;

/** In the order in which they run: what needs rest comes before what leaves much behind. */
export const MEASUREMENTS: readonly Measurement[] = [
  { ids: ['image-compressed'], in: { kind: 'alone', measure: measureImage } },
  {
    ids: ['converge-1000', 'writes-per-node-change', 'bytes-per-node-change'],
    in: { kind: 'world', nodes: 1_000, measure: (world) => measureChange(world, 3) },
  },
  { ids: ['webhook-p99'], in: { kind: 'world', nodes: 1_000, measure: (world) => measureWebhook(world, 30) } },
  {
    ids: ['writes-per-node-100-profiles'],
    // A hundred times as many loads as nodes, each of them work for this machine's two processors: 1,000 nodes would take an hour.
    in: { kind: 'world', nodes: 100, measure: (world) => measureProfilesAtOnce(world, 100) },
  },
  {
    ids: ['idle-requests-per-agent-hour', 'idle-writes', 'idle-agent-cpu', 'idle-controller-cpu'],
    in: { kind: 'world', nodes: 1_000, measure: (world) => measureIdle(world, 10 * MINUTE) },
  },
  // Two rows of a change in the world of 1,000 nodes are about one node's share and say no more in a larger one.
  {
    ids: ['converge-5000'],
    in: { kind: 'world', nodes: 5_000, measure: (world) => measureChange(world, 3) },
  },
  {
    ids: ['restart-5000', 'controller-rss-5000'],
    in: { kind: 'world', nodes: 5_000, measure: (world) => measureRestart(world, { policies: 100, podsPerNode: 10 }) },
  },
];

export function allIds(): string[] {
  return MEASUREMENTS.flatMap(({ ids }) => ids);
}
