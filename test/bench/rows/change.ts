import type { AppArmorNode } from '../../../src/api/generated/index.ts';
import { APPARMOR_NODE } from '../../../src/api/resources.ts';
import { difference, totalOf } from '../api-counts.ts';
import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import { receivedBytes } from '../received-bytes.ts';
import type { Figure } from '../results.ts';
import { describeWrites, type World } from '../world.ts';

/** Bytes of the policy that is changed. */
const POLICY_BYTES = 8_000;

/** Within seconds. The issue names 1,000 and 5,000 nodes. */
function goalSeconds(nodes: number): number {
  return nodes <= 1_000 ? 10 : 60;
}

/** One policy is changed so many times: how long until every node has it and the status says so, and what it costs. */
export async function measureChange(world: World, times: number): Promise<Figure[]> {
  const { nodes } = world;
  const port = Number(new URL(world.controlPlane.url).port);
  const name = `bench-change-${nodes}`;
  const seconds: number[] = [];
  const changes: { writes: ReturnType<typeof difference>; bytes: number }[] = [];
  let policyBytes = 0;
  for (let version = 0; version <= times; version++) {
    const policy = policyOf(name, version, POLICY_BYTES);
    policyBytes = Buffer.byteLength(policy);
    const before = await world.writesAtRest();
    const receivedBefore = await receivedBytes(port, world.fleet.pids);
    const startedAt = performance.now();
    const applied = await applyPolicy(world, name, policy);
    const [loaded] = await loadedEverywhere(world, [applied], 300_000);
    const elapsed = (performance.now() - startedAt) / 1000;
    const writes = difference(before, await world.writesAtRest());
    const bytes = (await receivedBytes(port, world.fleet.pids)) - receivedBefore;
    await everyRowHolds(world, name, loaded?.status?.revision);
    world.log(
      `change ${version} of ${name}: ${elapsed.toFixed(2)} s; ${describeWrites(writes)}; ${Math.round(bytes / nodes)} bytes to each agent`,
    );
    // The first load of a text also makes the object; what is asked for is a change.
    if (version === 0) continue;
    seconds.push(elapsed);
    changes.push({ writes, bytes });
  }
  const most = changes.reduce((worst, change) => (total(change) > total(worst) ? change : worst));
  const bytes = Math.max(...changes.map((change) => change.bytes)) / nodes;
  return [
    {
      id: `converge-${nodes}`,
      value: Math.max(...seconds),
      unit: 's',
      goal: goalSeconds(nodes),
      detail: `the slowest of ${seconds.length} changes of one policy of ${policyBytes} bytes, from before the apply to Ready=True with ${nodes}/${nodes}: ${seconds.map((each) => each.toFixed(2)).join(', ')} s`,
    },
    {
      id: 'writes-per-node-change',
      value: total(most) / nodes,
      unit: 'writes per node',
      goal: (nodes + 20) / nodes,
      detail: `${nodes} nodes, the change with the most; ${describeWrites(most.writes)}; no Leases, the user's own apply included`,
    },
    {
      id: 'bytes-per-node-change',
      value: bytes,
      unit: 'bytes',
      goal: 1.3 * policyBytes + 4096,
      detail: `${nodes} nodes, on average, of TCP with TLS as the kernel counts it; the policy has ${policyBytes} bytes`,
    },
  ];
}

function total({ writes }: { writes: ReturnType<typeof difference> }): number {
  return totalOf(writes.map(({ count }) => count));
}

/** The status is believed only if the nodes' own reports say the same. */
async function everyRowHolds({ client, nodes }: World, profile: string, revision: string | undefined): Promise<void> {
  const { items } = await client.list<AppArmorNode>(APPARMOR_NODE);
  const held = items.filter(({ status }) => revision !== undefined && status?.loaded?.[profile] === revision);
  if (held.length !== nodes) throw new Error(`Ready=True, and ${held.length} of ${nodes} nodes report ${revision}`);
}
