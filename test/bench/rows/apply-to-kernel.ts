import type { Cache } from '../../testbed/cache.ts';
import type { TestCluster } from '../../testbed/cluster.ts';
import type { TestNode } from '../../testbed/node.ts';
import { operatorReady } from '../../testbed/operator.ts';
import { waitFor } from '../../testbed/process.ts';
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
import { allReady, inNode, onRealNodes } from './real-nodes.ts';

/**
 * Under emulation the clock of a node tells what it took this machine to translate its programs, which is a hundred times more for what runs
 * seldom, as our programs do, than for a parser that runs all the time. So each instruction takes 1 ns of the node's time instead, the least
 * that QEMU can, and more than it takes on a server's processor.
 */
const INSTRUCTION_NS = 1;

/** From the return of `kubectl apply` to the kernel, in relation to what the parser alone takes there. */
export async function measureApplyToKernel(cache: Cache): Promise<readonly Figure[]> {
  // One node, which runs the controller too: the clock of another would go on at this machine's pace while the controller's is counted.
  return onRealNodes(cache, 1, async ({ cluster, client, log }) => {
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('there is no node');
    await bootCounted(cluster, node);
    const latency = await latencyOfChanges(async (version) => {
      await atRest(node);
      const own = await parserMs(node, version);
      const took = await changeMs(cluster, node, version);
      await allReady(client, [CHANGED_POLICY.name]);
      log(`change ${version}: apparmor_parser ${Math.round(own)} ms; apply to kernel ${Math.round(took)} ms`);
      return { own, took };
    });
    return [figure(latency)];
  });
}

function figure({ own, took }: Latency): Figure {
  return {
    id: 'apply-to-kernel-ratio',
    value: (took - ALLOWED_MS) / own,
    unit: 'times apparmor_parser -r',
    goal: PARSER_TIMES,
    detail: `from the return of kubectl apply to the kernel of a node that runs the controller, too, less ${ALLOWED_MS} ms, over apparmor_parser -r of the same text there; medians of ${CHANGES_COUNTED}: ${Math.round(took)} and ${Math.round(own)} ms, under emulation by a clock that takes ${INSTRUCTION_NS} ns for each instruction of the node; the policy has ${CHANGED_POLICY.bytes} bytes`,
  };
}

async function bootCounted(cluster: TestCluster, node: TestNode): Promise<void> {
  // The runtime leaves the image's files to the kernel to write.
  await inNode(node, 'sync');
  await node.boot({ instructionNs: INSTRUCTION_NS });
  await node.ready();
  await operatorReady(cluster);
}

/** Nobody changes a policy in the seconds after the last change, of which an emulated node's agent, kubelet and runtime still work. */
async function atRest(node: TestNode): Promise<void> {
  await waitFor(`${node.name} to rest`, { deadlineMs: 300_000, intervalMs: 1 }, async () => {
    const stat = 'head -1 /proc/stat';
    const [before = [], after = []] = (await inNode(node, `${stat}; sleep 3; ${stat}`))
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

/** Milliseconds of the node's time from the return of `kubectl apply` until its kernel's policies changed. */
async function changeMs({ controlPlane }: TestCluster, node: TestNode, version: number): Promise<number> {
  // The second read of the kernel's revision waits for a change.
  const script = 'dd if=/sys/kernel/security/apparmor/revision of=/dev/null bs=64 count=2 2>/dev/null; date +%s%N';
  const changed = inNode(node, script);
  const object = {
    apiVersion: 'apparmor-operator.dev/v1alpha1',
    kind: 'AppArmorProfile',
    metadata: { name: CHANGED_POLICY.name },
    spec: { policy: policyOf(CHANGED_POLICY.name, version, CHANGED_POLICY.bytes) },
  };
  const { code, stderr } = await controlPlane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) });
  if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
  const appliedAt = await earliestNow(node);
  return Number(await changed) / 1e6 - appliedAt;
}

/** The node's clock when this was called, or up to a round trip earlier, as it is never faster than this machine's. */
async function earliestNow(node: TestNode): Promise<number> {
  const asked = performance.now();
  const there = Number(await inNode(node, 'date +%s%N')) / 1e6;
  return there - (performance.now() - asked);
}
