import { setTimeout as sleep } from 'node:timers/promises';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import type { Cache } from '../../testbed/cache.ts';
import type { TestNode } from '../../testbed/node.ts';
import { policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import { allReady, inNode, onRealNodes, type RealNodes } from './real-nodes.ts';

export interface MemoryRun {
  /** How many changes are applied at least, and for how long changes go on at least. */
  changes: number;
  minutes: number;
}

/** The agents' memory on real nodes while policies change all the time, and when they no longer do. */
export async function measureAgentMemory(cache: Cache, run: MemoryRun): Promise<readonly Figure[]> {
  return onRealNodes(cache, 2, (nodes) => agentMemory(nodes, run));
}

const OBJECTS = 25;
const MINUTE = 60_000;
/**
 * An agent gives back what it no longer needs 60 to 65 s after its last pass, which is that for the end of earlier revisions, some seconds after
 * all is Ready; and takes a second or two for it where it is emulated.
 */
const REST_MS = 100_000;
/** Looks in the last so many milliseconds of a rest, and how far they are apart. */
const LOOKS_MS = 40_000;
const LOOK_EVERY_MS = 5_000;

interface Memory {
  privateMB: number;
  rssMB: number;
}

interface Rest {
  last: readonly Memory[];
  /**
   * Of each agent, its least private memory: what it keeps. After its garbage was collected, the kubelet's probes and the bookmarks of
   * watches leave new garbage, of which one look sees more than another.
   */
  lowestMB: readonly number[];
}

async function agentMemory({ cluster, client, log }: RealNodes, { changes, minutes }: MemoryRun): Promise<Figure[]> {
  const names = Array.from({ length: OBJECTS }, (_, index) => `bench-churn-${index}`);
  const look = (): Promise<Memory[]> => Promise.all(cluster.nodes.map(memoryOf));
  const startedAt = Date.now();
  let made = 0;
  let version = 0;
  let busiest = 0;
  const changeUntil = async (least: number, elapsedMs: number): Promise<void> => {
    for (; made < least || Date.now() - startedAt < elapsedMs; version++) {
      await Promise.all(
        names.map((name) => {
          const object = { metadata: { name }, spec: { policy: policyOf(name, version) } };
          return client.apply(APPARMOR_PROFILE, object, { fieldManager: 'bench', force: true });
        }),
      );
      await allReady(client, names);
      made += names.length;
      const now = await look();
      busiest = Math.max(busiest, most(now, 'privateMB'));
      log(`${made} changes after ${secondsSince(startedAt)} s: ${describe(now)}`);
    }
  };
  const atRest = async (): Promise<Rest> => {
    await sleep(REST_MS - LOOKS_MS);
    const looks: Memory[][] = [];
    const until = performance.now() + LOOKS_MS;
    while (performance.now() < until) {
      await sleep(LOOK_EVERY_MS);
      looks.push(await look());
    }
    const last = looks.at(-1) ?? [];
    const lowestMB = last.map((_, agent) => Math.min(...looks.map((look) => look[agent]?.privateMB ?? NaN)));
    const lowest = lowestMB.map((each) => each.toFixed(1)).join(' and ');
    log(`at rest: ${describe(last)}; at its lowest ${lowest} MB private`);
    return { last, lowestMB };
  };

  await changeUntil(changes / 2, (minutes / 2) * MINUTE);
  const halfway = await atRest();
  await changeUntil(changes, minutes * MINUTE);
  const end = await atRest();
  const detail = `the larger of two agents after ${made} policy changes in ${secondsSince(startedAt)} s, ${OBJECTS} policies of 1 KB, at rest for ${REST_MS / 1000} s; while they changed at most ${busiest.toFixed(1)} MB were its own`;
  const growth = end.lowestMB.map((each, agent) => each - (halfway.lowestMB[agent] ?? NaN));
  return [
    {
      id: 'agent-private',
      value: most(end.last, 'privateMB'),
      unit: 'MB',
      goal: 20,
      detail: `anonymous memory of ${detail}`,
    },
    { id: 'agent-rss', value: most(end.last, 'rssMB'), unit: 'MB', goal: 70, detail: `resident memory of ${detail}` },
    {
      id: 'agent-growth',
      value: Math.max(...growth),
      unit: 'MB',
      // Two rests of the same agent differ by this much, on this machine too and after 2,000 changes.
      goal: 0.5,
      detail: `anonymous memory at the end less that at half time, each the lowest in the last ${LOOKS_MS / 1000} s of the rest, of ${detail}`,
    },
  ];
}

function describe(memory: readonly Memory[]): string {
  const each = memory.map(({ privateMB, rssMB }) => `${privateMB.toFixed(1)} of ${rssMB.toFixed(1)} MB`);
  return `private of all memory of the agents: ${each.join(', ')}`;
}

function secondsSince(startedAt: number): number {
  return Math.round((Date.now() - startedAt) / 1000);
}

function most(memory: readonly Memory[], what: keyof Memory): number {
  return Math.max(...memory.map((each) => each[what]));
}

/** Of the node's agent, as its kernel counts it. */
async function memoryOf(node: TestNode): Promise<Memory> {
  const script = `pid=$(grep -lz '^/app/agent.mjs$' /proc/[0-9]*/cmdline | cut -d/ -f3) && cat "/proc/$pid/smaps_rollup"`;
  const text = await inNode(node, script);
  const megabytes = (key: string): number =>
    (Number(new RegExp(`^${key}: +(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024) / 1e6;
  return { privateMB: megabytes('Anonymous'), rssMB: megabytes('Rss') };
}
