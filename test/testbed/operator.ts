import { join } from 'node:path';
import type { Cache } from './cache.ts';
import type { TestCluster } from './cluster.ts';
import { operatorImage } from './image.ts';
import { waitFor } from './process.ts';

const NAMESPACE = 'apparmor-operator';

/**
 * Installs the operator as README says, with the image of the project's Dockerfile, and waits until all its pods are Ready.
 * Returns the archive with the image, for nodes that come later.
 */
export async function installOperator(cache: Cache, cluster: TestCluster): Promise<string> {
  const archive = await importOperatorImage(cache, cluster);
  await kubectl(cluster, ['apply', '-k', join(import.meta.dirname, '../../manifests/default')]);
  await operatorReady(cluster);
  return archive;
}

/** Builds the operator's image from the sources as they are and puts it on every node. Returns the archive. */
export async function importOperatorImage(cache: Cache, cluster: TestCluster): Promise<string> {
  const archive = await operatorImage(cache);
  await Promise.all(cluster.nodes.map((node) => node.importImage(archive)));
  return archive;
}

/** Waits until the controller's replicas and an agent on every node are Ready. */
export async function operatorReady(cluster: TestCluster): Promise<void> {
  await kubectl(cluster, ['rollout', 'status', 'deployment', '-n', NAMESPACE, '--timeout=300s']);
  await waitFor('the controller to create the agent DaemonSet', { deadlineMs: 60_000, intervalMs: 500 }, async () => {
    const names = await kubectl(cluster, ['get', 'daemonsets', '-n', NAMESPACE, '-o', 'name']);
    return names.trim() !== '';
  });
  await kubectl(cluster, ['rollout', 'status', 'daemonset', '-n', NAMESPACE, '--timeout=300s']);
}

async function kubectl(cluster: TestCluster, args: readonly string[]): Promise<string> {
  const { stdout, stderr, code } = await cluster.controlPlane.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}
