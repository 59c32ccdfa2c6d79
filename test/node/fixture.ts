import { createKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { kubeconfigAccess } from '../../src/kube/kubeconfig.ts';
import { createTransport } from '../../src/kube/transport.ts';
import { defaultCacheFolder } from '../testbed/cache.ts';
import { type AddNodeOptions, startCluster, type TestCluster } from '../testbed/cluster.ts';
import type { TestNode } from '../testbed/node.ts';
import { createOwner, interruption } from '../testbed/process.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';
import { installOperator } from '../testbed/operator.ts';

/**
 * The one real cluster that all node tests of a run share: two nodes with AppArmor kernels, and the operator installed from
 * manifests/default with the image of the project's Dockerfile. Importing this file is what starts it before the first test and
 * ends it after the last.
 */
export function cluster(): TestCluster {
  if (shared.cluster === undefined) throw new Error('cluster() is there in hooks and tests only');
  return shared.cluster;
}

export function twoNodes(): [TestNode, TestNode] {
  const [first, second] = cluster().nodes;
  if (first === undefined || second === undefined) throw new Error('this test needs two nodes');
  return [first, second];
}

/** For what tests ask often: a run of kubectl takes an eighth of a second of processor time, which the nodes lack. */
export function client(): KubeClient {
  if (shared.client === undefined) throw new Error('client() is there in hooks and tests only');
  return shared.client;
}

/** One more node with the operator's image; resolves when it is Ready. Whoever adds it takes it away (`removeNode`). */
export async function addNode(o: AddNodeOptions = {}): Promise<TestNode> {
  if (shared.image === undefined) throw new Error('addNode() is there in hooks and tests only');
  return cluster().addNode({ ...o, archives: [shared.image] });
}

// Mocha gives root hooks nothing else that tests could read typed, so the fixture has to remember it.
const shared: { cluster?: TestCluster; client?: KubeClient; image?: string } = {};
const owner = createOwner();
const signal = interruption();

before('start the cluster and install the operator', async function () {
  // From nothing, everything has to be built first.
  this.timeout(60 * 60_000);
  const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };
  const cluster = await startCluster({ cache, nodes: 2, signal });
  owner.add(cluster.stop);
  shared.image = await installOperator(cache, cluster);
  await cluster.controlPlane.kubectl(['create', 'namespace', POD_NAMESPACE]);
  const access = kubeconfigAccess(cluster.controlPlane.kubeconfig);
  const transport = createTransport(access, { userAgent: 'node-tests', timeoutMs: 30_000 });
  owner.add(() => transport.close());
  shared.client = createKubeClient(transport);
  shared.cluster = cluster;
});

after('stop the cluster', async function () {
  this.timeout(120_000);
  await owner.stop();
});
