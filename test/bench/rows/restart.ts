import { PODS } from '../../../src/kube/resource.ts';
import { forEachAtOnce } from '../each.ts';
import { AT_ONCE, nodeName } from '../nodes.ts';
import { applyPolicy, loadedEverywhere, policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import type { World } from '../world.ts';

export interface RestartSize {
  policies: number;
  podsPerNode: number;
}

/**
 * A controller starts in a full cluster after an outage in which a policy was changed: how long until the status is right again,
 * and the most memory that it took.
 */
export async function measureRestart(world: World, { policies, podsPerNode }: RestartSize): Promise<Figure[]> {
  const { nodes, controller } = world;
  const names = Array.from({ length: policies }, (_, index) => `bench-restart-${index}`);
  const applied = await Promise.all(names.map((name) => applyPolicy(world, name, policyOf(name, 0))));
  await loadedEverywhere(world, applied, 900_000);
  await createPods(world, names, podsPerNode);
  await world.writesAtRest();

  await controller.stop();
  const [changed = ''] = names;
  const change = await applyPolicy(world, changed, policyOf(changed, 1));
  const startedAt = performance.now();
  await controller.start();
  const leadsAfter = (performance.now() - startedAt) / 1000;
  await loadedEverywhere(world, [change], 300_000);
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
      detail: `${size}; from the start of the process to the status of a policy that was changed while there was no controller; it led after ${leadsAfter.toFixed(1)} s`,
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
