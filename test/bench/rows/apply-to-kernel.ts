import { join } from 'node:path';
import { trixieAppArmor } from '../../corpus/trixie-parser.ts';
import type { Cache } from '../../testbed/cache.ts';
import type { TestCluster } from '../../testbed/cluster.ts';
import type { TestNode } from '../../testbed/node.ts';
import { operatorReady } from '../../testbed/operator.ts';
import { waitFor, withSignal } from '../../testbed/process.ts';
import { prepareController, type BenchController } from '../controller-process.ts';
import { kubectl } from '../kubectl.ts';
import { openNodeClock, type NodeClock } from '../node-clock.ts';
import { policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import {
  ALLOWED_MS,
  CHANGED_POLICY,
  CHANGES_COUNTED,
  latencyOfChanges,
  PARSER_TIMES,
  type Latency,
} from './latency.ts';
import { allReady, inNode, onRealNodes, type RealNodes } from './real-nodes.ts';

/**
 * Under emulation the clock of a node tells what it took this machine to translate its programs, which is a hundred times more for what runs
 * seldom, as our programs do, than for a parser that runs all the time. So each instruction takes 1 ns of the node's time instead, the least
 * that QEMU can, and more than it takes on a server's processor.
 */
const INSTRUCTION_NS = 1;

/** From the return of `kubectl apply` to the kernel, in relation to what the parser alone takes there. */
export async function measureApplyToKernel(cache: Cache): Promise<readonly Figure[]> {
  return onRealNodes(cache, 1, async (nodes) => {
    const { cluster } = nodes;
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('there is no node');
    const controller = await controllerOnThisMachine(cache, cluster);
    try {
      await bootCounted(cluster, node);
      return [figure(await latencyOn(nodes, node))];
    } finally {
      await controller.stop();
    }
  });
}

async function latencyOn({ cluster, client, log }: RealNodes, node: TestNode): Promise<Latency> {
  const clock = await openNodeClock(cluster, node);
  try {
    return await latencyOfChanges(async (version) => {
      const own = await parserMs(node, version);
      await atRest(node);
      const took = await changeMs(cluster, node, clock, version);
      await allReady(client, [CHANGED_POLICY.name]);
      log(`change ${version}: apparmor_parser ${Math.round(own)} ms; apply to kernel ${Math.round(took)} ms`);
      return { own, took };
    });
  } finally {
    await clock.stop();
  }
}

/**
 * In place of the Deployment's. On another emulated node it would take 20 times its processor time while this node's clock goes on, and
 * on the same node its work would delay the agent's, which few nodes of a cluster know.
 */
async function controllerOnThisMachine(cache: Cache, cluster: TestCluster): Promise<BenchController> {
  const { controlPlane } = cluster;
  const inNamespace = (...args: readonly string[]): Promise<string> =>
    kubectl(controlPlane, [...args, `--namespace=${NAMESPACE}`]);
  const deployment = ['deployment', 'apparmor-operator-controller'];
  const image = '--output=jsonpath={.spec.template.spec.containers[0].image}';
  const agentImage = await inNamespace('get', ...deployment, image);
  await inNamespace('scale', ...deployment, '--replicas=0');
  const pods = '--selector=app.kubernetes.io/component=controller';
  await inNamespace('wait', 'pods', pods, '--for=delete', '--timeout=120s');
  const { compiler } = await trixieAppArmor(cache);
  const controller = await prepareController({
    controlPlane,
    namespace: NAMESPACE,
    networkNamespace: cluster.name,
    agentImage,
    compiler,
    folder: join(cluster.folder, 'controller'),
    nodeFlags: [],
    ...withSignal(cache),
  });
  await controller.start();
  return controller;
}

const NAMESPACE = 'apparmor-operator';

function figure({ own, took }: Latency): Figure {
  return {
    id: 'apply-to-kernel-ratio',
    value: took / own,
    unit: 'times apparmor_parser -r',
    goal: PARSER_TIMES + ALLOWED_MS / own,
    detail: `from the return of kubectl apply to the kernel of a node, with the controller beside the API server, over apparmor_parser -r of the same text there; the goal is ${PARSER_TIMES} times that and ${ALLOWED_MS} ms; medians of ${CHANGES_COUNTED}: ${Math.round(took)} and ${Math.round(own)} ms, under emulation by a clock that takes ${INSTRUCTION_NS} ns for each instruction of the node; the policy has ${CHANGED_POLICY.bytes} bytes`,
  };
}

async function bootCounted(cluster: TestCluster, node: TestNode): Promise<void> {
  // The runtime leaves the image's files to the kernel to write.
  await inNode(node, 'sync');
  await node.boot({ instructionNs: INSTRUCTION_NS });
  await node.ready();
  await operatorReady(cluster);
}

/**
 * Nobody changes a policy in the seconds after the last change, of which an emulated node's agent, kubelet and runtime still work. Within the
 * seconds looked at an agent has seen what somebody else loaded before.
 */
async function atRest(node: TestNode): Promise<void> {
  await waitFor(`${node.name} to rest`, { deadlineMs: 300_000, intervalMs: 1 }, async () => {
    const stat = 'head -1 /proc/stat';
    const [before = [], after = []] = (await inNode(node, `${stat}; sleep 6; ${stat}`))
      .trim()
      .split('\n')
      .map((line) => line.split(/ +/).slice(1).map(Number));
    const spent = after.map((ticks, index) => ticks - (before[index] ?? 0));
    const idle = spent[3] ?? 0;
    return idle / spent.reduce((sum, ticks) => sum + ticks, 0) > 0.8;
  });
}

/** As an administrator would load it by hand, without a cache. */
async function parserMs(node: TestNode, version: number): Promise<number> {
  const script = 'cat >/run/bench-policy && date +%s%N && apparmor_parser -r -K /run/bench-policy && date +%s%N';
  const input = Buffer.from(policyOf(CHANGED_POLICY.baseline, version, CHANGED_POLICY.bytes));
  const [began = NaN, ended = NaN] = (await inNode(node, script, input)).trim().split('\n').map(Number);
  return (ended - began) / 1e6;
}

/** The first read of the kernel's revision returns at once, and every other one of the same open file when it has changed. */
const UNTIL_CHANGED = `
exec </sys/kernel/security/apparmor/revision
dd of=/dev/null bs=64 count=1 2>/dev/null
touch /run/bench-waits
dd of=/dev/null bs=64 count=1 2>/dev/null
date +%s%N
rm /run/bench-waits`;

/** Milliseconds of the node's time from the return of `kubectl apply` until its kernel's policies changed. */
async function changeMs(
  { controlPlane }: TestCluster,
  node: TestNode,
  clock: NodeClock,
  version: number,
): Promise<number> {
  const changed = inNode(node, UNTIL_CHANGED);
  // Whoever begins to wait after the change waits for the next one.
  await inNode(node, 'until [ -e /run/bench-waits ]; do sleep 0.01; done');
  const object = {
    apiVersion: 'apparmor-operator.dev/v1alpha1',
    kind: 'AppArmorProfile',
    metadata: { name: CHANGED_POLICY.name },
    spec: { policy: policyOf(CHANGED_POLICY.name, version, CHANGED_POLICY.bytes) },
  };
  await kubectl(controlPlane, ['apply', '-f', '-'], { input: JSON.stringify(object) });
  const appliedAt = await clock.earliestNow();
  return Number(await changed) / 1e6 - appliedAt;
}
