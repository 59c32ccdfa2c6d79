import { defaultCacheFolder } from '../testbed/cache.ts';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
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

// Mocha gives root hooks nothing else that tests could read typed, so the fixture has to remember it.
const shared: { cluster?: TestCluster } = {};
const owner = createOwner();
const signal = interruption();

before('start the cluster and install the operator', async function () {
  // From nothing, everything has to be built first.
  this.timeout(60 * 60_000);
  const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };
  const cluster = await startCluster({ cache, nodes: 2, signal });
  owner.add(cluster.stop);
  await installOperator(cache, cluster);
  await cluster.controlPlane.kubectl(['create', 'namespace', POD_NAMESPACE]);
  shared.cluster = cluster;
});

after('stop the cluster', async function () {
  this.timeout(120_000);
  await owner.stop();
});
