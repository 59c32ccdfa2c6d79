import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppArmorNode } from '../../src/api/generated/index.ts';
import { APPARMOR_NODE } from '../../src/api/resources.ts';
import type { CompilerPaths } from '../../src/policy/compile.ts';
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { createTransport, type Transport } from '../../src/kube/transport.ts';
import { trixieAppArmor } from '../corpus/trixie-parser.ts';
import type { Cache } from '../testbed/cache.ts';
import { startControlPlane, type ControlPlane } from '../testbed/control-plane.ts';
import { createOwner, waitFor } from '../testbed/process.ts';
import { difference, readSamples, REQUESTS, totalOf, writesOf, type Sample } from './api-counts.ts';
import { prepareController, type BenchController } from './controller-process.ts';
import { startFleet, type Fleet } from './fleet.ts';
import { kubectl } from './kubectl.ts';
import { createNodes } from './nodes.ts';
import { reportAll } from './reports.ts';

/** A real control plane, the real controller, and the real agents of so many nodes, all at rest. */
export interface World {
  nodes: number;
  namespace: string;
  client: KubeClient;
  transport: Transport;
  controlPlane: ControlPlane;
  controller: BenchController;
  /** What the controller has texts compiled with. */
  compiler: CompilerPaths;
  fleet: Fleet;
  signal: AbortSignal;
  log: (line: string) => void;
  /** These metrics of the API server. */
  samples(...names: string[]): Promise<Sample[]>;
  writes(): Promise<Map<string, number>>;
  /** Waits until nothing was written for so long, by default three seconds of the agents; returns the writes then. Throws after two minutes more. */
  writesAtRest(forMs?: number): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

/**
 * Who reports for the nodes: agents; agents whose clocks go slower, for what takes a thousand of them much longer on two processors than
 * a node takes; one agent as in the image, with the real parser; or the bench, which then writes what agents would have.
 */
export type Reporters = 'agents' | 'agents by a slow clock' | 'agent as in the image' | 'bench';

export interface WorldOptions {
  nodes: number;
  reporters: Reporters;
  cache: Cache;
  signal: AbortSignal;
  log: (line: string) => void;
  /** Where the controller and the agents leave CPU profiles when they end; absent: none are made. */
  profiles?: string;
}

/** What 100 nodes take on this machine, 1,000 take by that clock. */
const SLOW_TIMES = 10;

const NAMESPACE = 'apparmor-operator';

/**
 * The first is what a kubelet's silence sets off, the second would want to run agents on Nodes that have none. The third annotates each
 * Node anew whenever their number passes one of its bounds, 20 a second: for 5,000 it would not come to rest for ten minutes. The fourth would
 * write after ten minutes that the controller's pods, which nobody runs here, are not available.
 */
const WITHOUT_CONTROLLERS =
  '--controllers=*,-node-lifecycle-controller,-daemonset-controller,-ttl-controller,-deployment-controller';

export async function startWorld(options: WorldOptions): Promise<World> {
  const owner = createOwner();
  try {
    return await start(options, owner);
  } catch (error) {
    await owner.stop();
    throw error;
  }
}

async function start(options: WorldOptions, owner: ReturnType<typeof createOwner>): Promise<World> {
  const { nodes, cache, signal, log, profiles } = options;
  const folder = await mkdtemp(join(tmpdir(), 'apparmor-operator-bench-'));
  owner.add(() => rm(folder, { recursive: true, force: true }));
  const inMemory = await mkdtemp('/dev/shm/apparmor-operator-bench-');
  owner.add(() => rm(inMemory, { recursive: true, force: true }));
  const controlPlane = await startControlPlane({
    cache,
    folder,
    signal,
    scheduler: false,
    controllerManagerArguments: [WITHOUT_CONTROLLERS],
  });
  owner.add(controlPlane.stop);
  const access = kubeconfigAccess(controlPlane.kubeconfig);
  const transport = createTransport(access, { userAgent: 'bench', timeoutMs: 60_000 });
  owner.add(() => transport.close());
  const client = createKubeClient(transport);
  await kubectl(controlPlane, ['apply', '-k', join(import.meta.dirname, '../../manifests/default')]);
  await kubectl(controlPlane, ['wait', 'crd', '--all', '--for=condition=Established', '--timeout=60s']);

  const { compiler } = await trixieAppArmor(cache);
  const controllerFolder = join(folder, 'controller');
  const nodeFlags = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const parts = { controlPlane, namespace: NAMESPACE, signal, nodeFlags };
  const controller = await prepareController({ ...parts, compiler, folder: controllerFolder });
  owner.add(() => controller.stop());
  await controller.start();

  log(`${nodes} nodes: creating them`);
  const identities = await createNodes({ client, transport, namespace: NAMESPACE }, nodes);
  const agents = options.reporters === 'bench' ? [] : identities;
  log(`${nodes} nodes: starting ${agents.length} agents`);
  const real = options.reporters === 'agent as in the image' ? { compiler: { ...compiler, workFolder: inMemory } } : {};
  const clockTimes = options.reporters === 'agents by a slow clock' ? SLOW_TIMES : 1;
  const fleet = await startFleet(agents, { ...parts, ...real, clockTimes, folder: inMemory });
  owner.add(() => fleet.stop());

  const samples = async (...names: string[]): Promise<Sample[]> =>
    readSamples(await kubectl(controlPlane, ['get', '--raw', '/metrics']), new Set(names));
  const writes = async (): Promise<Map<string, number>> => writesOf(await samples(REQUESTS));
  const world: World = {
    nodes,
    namespace: NAMESPACE,
    client,
    transport,
    controlPlane,
    controller,
    compiler,
    fleet,
    signal,
    log,
    samples,
    writes,
    writesAtRest: (forMs = AT_REST_MS * clockTimes) => writesAtRest(writes, forMs, signal),
    stop: owner.stop,
  };
  if (options.reporters === 'bench') await reportAll(world, {});
  await allReported(world);
  await world.writesAtRest();
  log(`${nodes} nodes: all have reported`);
  return world;
}

/** Every node's first report is there. */
async function allReported({ client, fleet, nodes, signal }: World): Promise<void> {
  const deadlineMs = 60_000 + 60 * nodes;
  await waitFor(`${nodes} nodes to report`, { deadlineMs, intervalMs: 1000, signal }, async () => {
    fleet.check();
    const { items } = await client.list<AppArmorNode>(APPARMOR_NODE, { freshness: 'cached' });
    return items.filter(({ status }) => status?.enforcing === true).length === nodes;
  });
}

const AT_REST_MS = 3_000;

async function writesAtRest(
  writes: () => Promise<Map<string, number>>,
  forMs: number,
  signal: AbortSignal,
): Promise<Map<string, number>> {
  let last: { writes: Map<string, number>; sinceMs: number } | undefined;
  const deadlineMs = forMs + 120_000;
  return waitFor('the writes to come to rest', { deadlineMs, intervalMs: 500, signal }, async () => {
    const now = await writes();
    if (last === undefined || difference(last.writes, now).length > 0) {
      last = { writes: now, sinceMs: performance.now() };
      return undefined;
    }
    return performance.now() - last.sinceMs >= forMs ? now : undefined;
  });
}

/** As `1,003: 1,000 apparmornodes/status, …`. */
export function describeWrites(changes: readonly { what: string; count: number }[]): string {
  const parts = changes.map(({ what, count }) => `${count} ${what}`);
  return `${totalOf(changes.map(({ count }) => count))} writes: ${parts.join(', ')}`;
}
