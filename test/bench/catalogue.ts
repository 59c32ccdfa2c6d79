import type { Cache } from '../testbed/cache.ts';
import type { Figure, Row } from './results.ts';
import { measureAgentMemory } from './rows/agent-memory.ts';
import { measureApplyToKernel } from './rows/apply-to-kernel.ts';
import { measureApplyToLoad } from './rows/apply-to-load.ts';
import { measureChange } from './rows/change.ts';
import { growthId, measureGrowth, type Growth } from './rows/growth.ts';
import { measureProfilesAtOnce } from './rows/profiles-at-once.ts';
import { measureIdle } from './rows/idle.ts';
import { measureImage } from './rows/image.ts';
import { measureReconnect } from './rows/reconnect.ts';
import { measureRestart } from './rows/restart.ts';
import { measureWebhook } from './rows/webhook.ts';
import type { Reporters, World } from './world.ts';

/** What measures some rows. Those in worlds that are alike run one after the other in the same one. */
export interface Measurement {
  ids: readonly string[];
  in: InWorld | Alone;
}

interface InWorld {
  kind: 'world';
  nodes: number;
  reporters: Reporters;
  /** `rows`: what has been measured so far. */
  measure: (world: World, rows: readonly Row[]) => Promise<Figure[]>;
}

interface Alone {
  kind: 'alone';
  measure: (cache: Cache) => Promise<readonly Figure[]>;
}

const MINUTE = 60_000;

/** A point of a curve of growth. The curve by policies is at few nodes: a load is work for this machine's two processors. */
function growth(of: Growth['of'], nodes: number, policies: number): Measurement {
  const first = of === 'nodes' ? { nodes: 100, policies: 1 } : { nodes: 20, policies: 10 };
  const from = growthId({ of, ...first });
  const size = { of, nodes, policies };
  const id = growthId(size);
  return {
    ids: [id],
    in: {
      kind: 'world',
      nodes,
      reporters: 'agents',
      measure: (world, rows) => measureGrowth(world, id === from ? size : { ...size, from }, rows),
    },
  };
}

/** In the order in which they run: what needs rest comes before what leaves much behind. */
export const MEASUREMENTS: readonly Measurement[] = [
  { ids: ['image-compressed'], in: { kind: 'alone', measure: measureImage } },
  { ids: ['apply-to-kernel-ratio'], in: { kind: 'alone', measure: measureApplyToKernel } },
  {
    ids: ['agent-private', 'agent-rss', 'agent-growth'],
    in: { kind: 'alone', measure: (cache) => measureAgentMemory(cache, { changes: 500, minutes: 10 }) },
  },
  {
    ids: ['apply-to-load'],
    in: { kind: 'world', nodes: 1, reporters: 'agent as in the image', measure: measureApplyToLoad },
  },
  // A curve's first point before the others.
  growth('nodes', 100, 1),
  {
    ids: ['converge-1000', 'writes-per-node-change', 'bytes-per-node-change'],
    in: { kind: 'world', nodes: 1_000, reporters: 'agents', measure: (world) => measureChange(world, 3) },
  },
  {
    ids: ['webhook-p99'],
    // Few nodes: in a cluster the agents of a thousand do not share the processors of the API server. In a world of its own, since the
    // pods stay.
    in: { kind: 'world', nodes: 10, reporters: 'agents', measure: (world) => measureWebhook(world, 30) },
  },
  growth('policies', 20, 10),
  growth('policies', 20, 100),
  growth('policies', 20, 500),
  growth('nodes', 1_000, 1),
  growth('nodes', 5_000, 1),
  {
    ids: ['writes-per-node-100-profiles'],
    in: {
      kind: 'world',
      nodes: 1_000,
      reporters: 'agents by a slow clock',
      measure: (world) => measureProfilesAtOnce(world, 100),
    },
  },
  {
    ids: ['idle-requests-per-agent-hour', 'idle-writes', 'idle-agent-cpu', 'idle-controller-cpu'],
    in: { kind: 'world', nodes: 1_000, reporters: 'agents', measure: (world) => measureIdle(world, 10 * MINUTE) },
  },
  {
    ids: ['reconnect-1000', 'reconnect-texts'],
    in: { kind: 'world', nodes: 1_000, reporters: 'agents', measure: measureReconnect },
  },
  // Two rows of a change in the world of 1,000 nodes are about one node's share and say no more in a larger one.
  {
    ids: ['converge-5000'],
    in: { kind: 'world', nodes: 5_000, reporters: 'agents', measure: (world) => measureChange(world, 3) },
  },
  {
    ids: ['restart-5000', 'controller-rss-5000'],
    in: {
      kind: 'world',
      nodes: 5_000,
      reporters: 'bench',
      measure: (world) => measureRestart(world, { policies: 100, podsPerNode: 10 }),
    },
  },
];

export function allIds(): string[] {
  return MEASUREMENTS.flatMap(({ ids }) => ids);
}
