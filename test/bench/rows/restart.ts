import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { PODS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { forEachAtOnce } from '../each.ts';
import { AT_ONCE, nodeName } from '../nodes.ts';
import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import { report, reportAll } from '../reports.ts';
import type { Figure } from '../results.ts';
import type { World } from '../world.ts';

export interface RestartSize {
  policies: number;
  podsPerNode: number;
}

/**
 * A controller starts in a full cluster, after an outage in which a policy failed on one node: how long until the status says so,
 * and the most memory that it took. The bench reports for the nodes: agents would only take the controller's processors.
 */
export async function measureRestart(world: World, { policies, podsPerNode }: RestartSize): Promise<Figure[]> {
  const { client, nodes, controller } = world;
  const names = Array.from({ length: policies }, (_, index) => `bench-restart-${index}`);
  const applied = await Promise.all(names.map((name) => applyPolicy(world, name, policyOf(name, 0))));
  const loaded = await published(world, names);
  await reportAll(world, loaded);
  await loadedEverywhere(world, applied, 300_000);
  await createPods(world, names, podsPerNode);
  await world.writesAtRest();

  await controller.stop();
  const [failed = ''] = names;
  const { [failed]: revision = '', ...others } = loaded;
  const why = { state: 'Failed', reason: 'CompileFailed', message: 'bench' } as const;
  await report(world, 0, { loaded: others, problems: [{ profile: failed, object: failed, revision, ...why }] });
  const startedAt = performance.now();
  await controller.start();
  const leadsAfter = (performance.now() - startedAt) / 1000;
  const status = await waitFor('the status to say so', { deadlineMs: 300_000, intervalMs: 50 }, async () => {
    const profile = await client.get<AppArmorProfile>(APPARMOR_PROFILE, { name: failed });
    return profile.status?.nodes?.failed === 1 && profile.status.nodes.loaded === nodes - 1
      ? profile.status
      : undefined;
  });
  const seconds = (performance.now() - startedAt) / 1000;
  await world.writesAtRest();
  const { peakBytes, residentBytes } = await controller.usage();
  const size = `${nodes} nodes, ${policies} policies, ${nodes * podsPerNode} pods that name them`;
  return [
    {
      id: `restart-${nodes}`,
      value: seconds,
      unit: 's',
      goal: 30,
      detail: `${size}; from the start of the process until the status of a policy says that it failed on one node (${status.nodesLoaded}), as was reported while there was no controller; it led after ${leadsAfter.toFixed(1)} s`,
    },
    {
      id: `controller-rss-${nodes}`,
      value: peakBytes / 1e6,
      unit: 'MB',
      goal: 200,
      detail: `${size}; VmHWM of the restarted process; ${(residentBytes / 1e6).toFixed(0)} MB when all was at rest`,
    },
  ];
}

/** Waits until each is published; returns the hash of its revision by name. */
async function published({ client }: World, names: readonly string[]): Promise<Record<string, string>> {
  return waitFor('every policy to be published', { deadlineMs: 300_000, intervalMs: 500 }, async () => {
    const { items } = await client.list<AppArmorProfile>(APPARMOR_PROFILE);
    const revisions = items.flatMap(({ metadata: { name }, status }) =>
      names.includes(name) && status?.revision !== undefined ? [[name, status.revision] as const] : [],
    );
    return revisions.length === names.length ? Object.fromEntries(revisions) : undefined;
  });
}

/** Bound to their nodes, each under one of the profiles; nothing runs. */
async function createPods({ client, nodes }: World, profiles: readonly string[], perNode: number): Promise<void> {
  const indices = Array.from({ length: nodes * perNode }, (_, index) => index);
  await forEachAtOnce(indices, AT_ONCE, async (index) => {
    const localhostProfile = profiles[index % profiles.length] ?? '';
    const pod = {
      metadata: { name: `bench-${index}`, namespace: 'default' },
      spec: {
        nodeName: nodeName(index % nodes),
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'main',
            image: 'registry.example/workload:1',
            securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile } },
          },
        ],
      },
    };
    await client.create(PODS, pod as never);
  });
}
