import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { createKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import type { Cache } from '../../testbed/cache.ts';
import { startCluster, type TestCluster } from '../../testbed/cluster.ts';
import type { TestNode } from '../../testbed/node.ts';
import { installOperator } from '../../testbed/operator.ts';
import { waitFor, withSignal } from '../../testbed/process.ts';
import type { Figure } from '../results.ts';

/** Nodes of the test bed, with the operator's image and everything that a cluster has. */
export interface RealNodes {
  cluster: TestCluster;
  client: KubeClient;
  log: (line: string) => void;
}

export async function onRealNodes(
  cache: Cache,
  count: number,
  measure: (nodes: RealNodes) => Promise<readonly Figure[]>,
): Promise<readonly Figure[]> {
  const cluster = await startCluster({
    cache,
    nodes: count,
    ...withSignal(cache),
  });
  const access = kubeconfigAccess(cluster.controlPlane.kubeconfig);
  const transport = createTransport(access, { userAgent: 'bench', timeoutMs: 30_000 });
  try {
    await installOperator(cache, cluster);
    return await measure({ cluster, client: createKubeClient(transport), log: cache.log });
  } finally {
    await transport.close();
    await cluster.stop();
  }
}

/** Resolves when the policies, as they are now, hold on all nodes. */
export async function allReady(client: KubeClient, names: readonly string[]): Promise<void> {
  await waitFor(`${names.join(', ')} to be Ready`, { deadlineMs: 600_000, intervalMs: 300 }, async () => {
    const { items } = await client.list<AppArmorProfile>(APPARMOR_PROFILE);
    return items.filter(({ metadata }) => names.includes(metadata.name)).every(isReady);
  });
}

/** Runs a shell script as root and returns what it prints. */
export async function inNode(node: TestNode, script: string, input?: Buffer): Promise<string> {
  const { code, stdout, stderr } = await node.run(script, {
    timeoutSeconds: 300,
    ...(input === undefined ? {} : { input }),
  });
  if (code !== 0) throw new Error(`${node.name}: ${script}: exit ${code}: ${stderr}`);
  return stdout;
}

function isReady({ metadata, status }: AppArmorProfile): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && ready.observedGeneration === metadata.generation;
}
