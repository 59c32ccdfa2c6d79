import { setTimeout as sleep } from 'node:timers/promises';
import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { createKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import type { Cache } from '../../testbed/cache.ts';
import { startCluster, type TestCluster } from '../../testbed/cluster.ts';
import type { TestNode } from '../../testbed/node.ts';
import { installOperator } from '../../testbed/operator.ts';
import { waitFor } from '../../testbed/process.ts';
import { policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';

interface RealNodes {
  cluster: TestCluster;
  client: KubeClient;
  log: (line: string) => void;
}

export interface MemoryRun {
  /** How many changes are applied at least, and for how long changes go on at least. */
  changes: number;
  minutes: number;
}

/** The rows that need a kernel: on two nodes of the test bed, with the operator's image and everything that a cluster has. */
export async function measureRealNode(cache: Cache, memory: MemoryRun): Promise<Figure[]> {
  const cluster = await startCluster({
    cache,
    nodes: 2,
    ...(cache.signal === undefined ? {} : { signal: cache.signal }),
  });
  const access = kubeconfigAccess(cluster.controlPlane.kubeconfig);
  const transport = createTransport(access, { userAgent: 'bench', timeoutMs: 30_000 });
  try {
    await installOperator(cache, cluster);
    const nodes = { cluster, client: createKubeClient(transport), log: cache.log };
    return [await applyToKernel(nodes), ...(await agentMemory(nodes, memory))];
  } finally {
    await transport.close();
    await cluster.stop();
  }
}

const LATENCY = { name: 'bench-latency', baseline: 'bench-baseline', bytes: 8_000, times: 5 } as const;

const REST_MS = 20_000;

/** What a fast compile may cost on top of twice the parser's own time. */
const ALLOWED_MS = 200;

async function applyToKernel(nodes: RealNodes): Promise<Figure> {
  const { cluster, log } = nodes;
  const parser: number[] = [];
  const arrival: number[] = [];
  for (let version = 0; version <= LATENCY.times; version++) {
    // Nobody changes a policy in the seconds after the last change, of which an emulated node's agent, kubelet and runtime still work.
    await sleep(REST_MS);
    const own = await Promise.all(cluster.nodes.map((node) => parserMs(node, version)));
    const took = await changeMs(nodes, version);
    log(`change ${version}: apparmor_parser ${milliseconds(own)}; apply to kernel ${milliseconds(took)}`);
    // The first makes the object and warms everybody's caches; what is asked for is a change.
    if (version === 0) continue;
    parser.push(Math.max(...own));
    arrival.push(Math.max(...took));
  }
  const [own, took] = [median(parser), median(arrival)];
  return {
    id: 'apply-to-kernel-ratio',
    value: (took - ALLOWED_MS) / own,
    unit: 'times apparmor_parser -r',
    goal: 2,
    detail: `from the return of kubectl apply to the kernel of the later of two nodes, less ${ALLOWED_MS} ms, over apparmor_parser -r of the same text there; medians of ${LATENCY.times}: ${Math.round(took)} and ${Math.round(own)} ms, on emulated processors; the policy has ${LATENCY.bytes} bytes`,
  };
}

/** As an administrator would load it by hand, without a cache. */
async function parserMs(node: TestNode, version: number): Promise<number> {
  const script = 'cat >/run/bench-policy && date +%s%N && apparmor_parser -r -K /run/bench-policy && date +%s%N';
  const input = Buffer.from(policyOf(LATENCY.baseline, version, LATENCY.bytes));
  const [began = NaN, ended = NaN] = (await inNode(node, script, input)).trim().split('\n').map(Number);
  return (ended - began) / 1e6;
}

/** By node: milliseconds from the return of `kubectl apply` until the kernel's policies changed. */
async function changeMs({ cluster, client }: RealNodes, version: number): Promise<number[]> {
  const offsets = await Promise.all(cluster.nodes.map(clockOffsetMs));
  // The second read of the kernel's revision waits for a change.
  const script = 'dd if=/sys/kernel/security/apparmor/revision of=/dev/null bs=64 count=2 2>/dev/null; date +%s%N';
  const changes = cluster.nodes.map(async (node) => Number(await inNode(node, script)) / 1e6);
  const object = {
    apiVersion: 'apparmor-operator.dev/v1alpha1',
    kind: 'AppArmorProfile',
    metadata: { name: LATENCY.name },
    spec: { policy: policyOf(LATENCY.name, version, LATENCY.bytes) },
  };
  const { code, stderr } = await cluster.controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
  const appliedAt = Date.now();
  if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  const took = (await Promise.all(changes)).map((at, index) => at + (offsets[index] ?? NaN) - appliedAt);
  await allReady(client, [LATENCY.name]);
  return took;
}

/** What to add to a node's clock to get this machine's, as the quickest of some questions tells. */
async function clockOffsetMs(node: TestNode): Promise<number> {
  let best = { roundTrip: Infinity, offset: NaN };
  for (let times = 0; times < 5; times++) {
    const asked = Date.now();
    const there = Number(await inNode(node, 'date +%s%N')) / 1e6;
    const answered = Date.now();
    if (answered - asked >= best.roundTrip) continue;
    best = { roundTrip: answered - asked, offset: (asked + answered) / 2 - there };
  }
  return best.offset;
}

const OBJECTS = 25;
const MINUTE = 60_000;

interface Memory {
  privateMB: number;
  rssMB: number;
}

/** The agents' memory while policies change all the time. */
async function agentMemory(nodes: RealNodes, { changes, minutes }: MemoryRun): Promise<Figure[]> {
  const { cluster, client, log } = nodes;
  const names = Array.from({ length: OBJECTS }, (_, index) => `bench-churn-${index}`);
  const startedAt = Date.now();
  let made = 0;
  let halfway: Memory[] | undefined;
  for (let version = 0; made < changes || Date.now() - startedAt < minutes * MINUTE; version++) {
    await Promise.all(
      names.map((name) => {
        const object = { metadata: { name }, spec: { policy: policyOf(name, version) } };
        return client.apply(APPARMOR_PROFILE, object, { fieldManager: 'bench', force: true });
      }),
    );
    await allReady(client, names);
    made += names.length;
    const elapsed = Date.now() - startedAt;
    const now = await Promise.all(cluster.nodes.map(memoryOf));
    const told = now.map(({ privateMB, rssMB }) => `${privateMB.toFixed(1)} of ${rssMB.toFixed(1)} MB`);
    log(
      `${made} changes after ${Math.round(elapsed / 1000)} s; private of all memory of the agents: ${told.join(', ')}`,
    );
    if (elapsed >= (minutes / 2) * MINUTE) halfway ??= now;
  }
  // What the last change took is given back by then.
  await sleep(5_000);
  const end = await Promise.all(cluster.nodes.map(memoryOf));
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const detail = `the larger of two agents after ${made} policy changes in ${seconds} s, ${OBJECTS} policies of 1 KB`;
  const growth = end.map(({ privateMB }, index) => privateMB - (halfway?.[index]?.privateMB ?? NaN));
  return [
    {
      id: 'agent-private',
      value: most(end, 'privateMB'),
      unit: 'MB',
      goal: 20,
      detail: `anonymous memory of ${detail}`,
    },
    { id: 'agent-rss', value: most(end, 'rssMB'), unit: 'MB', goal: 70, detail: `resident memory of ${detail}` },
    {
      id: 'agent-growth',
      value: Math.max(...growth),
      unit: 'MB',
      // V8 gives pages back when it likes: two looks at the same agent at rest differ by this much.
      goal: 0.5,
      detail: `anonymous memory at the end less that at half time, of ${detail}`,
    },
  ];
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

async function allReady(client: KubeClient, names: readonly string[]): Promise<void> {
  await waitFor(`${names.join(', ')} to be Ready`, { deadlineMs: 300_000, intervalMs: 300 }, async () => {
    const { items } = await client.list<AppArmorProfile>(APPARMOR_PROFILE);
    return items.filter(({ metadata }) => names.includes(metadata.name)).every(isReady);
  });
}

function isReady({ metadata, status }: AppArmorProfile): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && ready.observedGeneration === metadata.generation;
}

function milliseconds(values: readonly number[]): string {
  return values.map((value) => `${Math.round(value)} ms`).join(' and ');
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? NaN;
}

async function inNode(node: TestNode, script: string, input?: Buffer): Promise<string> {
  const { code, stdout, stderr } = await node.run(script, {
    timeoutSeconds: 300,
    ...(input === undefined ? {} : { input }),
  });
  if (code !== 0) throw new Error(`${node.name}: ${script}: exit ${code}: ${stderr}`);
  return stdout;
}
