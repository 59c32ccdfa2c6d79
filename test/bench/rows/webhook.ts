import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { NAMESPACES, PODS } from '../../../src/kube/resource.ts';
import { quantile } from '../api-counts.ts';
import { loadedEverywhere, policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import type { World } from '../world.ts';

const HISTOGRAM = 'apiserver_admission_webhook_admission_duration_seconds';
const NAMESPACE = 'bench-webhook';

/** Pods a second. */
const RATE = 100;

/** Pods are created at a steady rate, each of them through the webhook: how long the API server waited for it. */
export async function measureWebhook(world: World, seconds: number): Promise<Figure[]> {
  const { client, nodes } = world;
  await client.create(NAMESPACES, { metadata: { name: NAMESPACE } } as never);
  const name = 'bench-webhook';
  const spec = { policy: policyOf(name, 0), pods: { selector: { matchLabels: { bench: 'webhook' } } } };
  const object = { metadata: { name }, spec };
  const applied = await client.apply<AppArmorProfile>(APPARMOR_PROFILE, object, { fieldManager: 'bench', force: true });
  await loadedEverywhere(world, [applied], 120_000);

  const buckets = async () =>
    (await world.samples(`${HISTOGRAM}_bucket`)).filter(({ labels }) => labels['name']?.includes('pods.apparmor'));
  const before = await buckets();
  const startedAt = performance.now();
  const made: Promise<{ spec: PodSpec }>[] = [];
  for (let index = 0; index < RATE * seconds; index++) {
    const early = startedAt + (index * 1000) / RATE - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    made.push(client.create<{ spec: PodSpec }>(PODS, podObject(index) as never));
  }
  const pods = await Promise.all(made);
  const rate = pods.length / ((performance.now() - startedAt) / 1000);
  const confined = pods.filter(
    (pod) => pod.spec.containers[0]?.securityContext?.appArmorProfile?.localhostProfile === name,
  );
  if (confined.length !== pods.length) throw new Error(`${confined.length} of ${pods.length} pods were confined`);
  const after = await buckets();
  return [
    {
      id: 'webhook-p99',
      value: quantile(before, after, 0.99) * 1000,
      unit: 'ms',
      goal: 10,
      detail: `${nodes} nodes, ${pods.length} pods at ${rate.toFixed(0)} a second, all confined; the API server's own ${HISTOGRAM}, estimated inside its buckets (5, 25, 100 ms); median ${(quantile(before, after, 0.5) * 1000).toFixed(1)} ms`,
    },
  ];
}

interface PodSpec {
  containers: { securityContext?: { appArmorProfile?: { localhostProfile?: string } } }[];
}

function podObject(index: number): object {
  return {
    metadata: { name: `bench-${index}`, namespace: NAMESPACE, labels: { bench: 'webhook' } },
    spec: {
      // Nothing schedules here, and a pod that waits costs nobody anything.
      nodeSelector: { never: 'scheduled' },
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'registry.example/workload:1' }],
    },
  };
}
