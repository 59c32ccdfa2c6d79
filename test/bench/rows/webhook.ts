import { setTimeout as sleep } from 'node:timers/promises';
import { APPARMOR_ANNOTATION } from '../../../src/admission/pods/rule.ts';
import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { NAMESPACES, PODS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { quantile, shareWithin, type Sample } from '../api-counts.ts';
import { CONSTANT_WEBHOOK, startConstantWebhook } from '../constant-webhook.ts';
import { loadedEverywhere, policyOf } from '../policies.ts';
import type { Figure } from '../results.ts';
import type { World } from '../world.ts';

const HISTOGRAM = 'apiserver_admission_webhook_admission_duration_seconds';
const NAMESPACE = 'bench-webhook';
const PROFILE = 'bench-webhook';

/** Pods a second. */
const RATE = 100;

/** In the name of each of the operator's entries. */
const OURS = 'pods.apparmor';

/**
 * Pods are created at a steady rate, each of them through the webhook: how long the API server waited for it. Before that the same
 * through a webhook that answers with a constant, for what the machine itself makes of such calls.
 */
export async function measureWebhook(world: World, seconds: number): Promise<Figure[]> {
  await world.client.create(NAMESPACES, { metadata: { name: NAMESPACE } });
  const constant = await measureConstant(world, seconds);
  const ours = await measureOperator(world, seconds);
  return [
    {
      id: 'webhook-p99',
      value: ours.p99,
      unit: 'ms',
      goal: 10,
      detail: `${world.nodes} nodes, the API server's own ${HISTOGRAM}, estimated inside its buckets (5, 25, 100 ms); ${described(ours)}; a webhook that sets the same field and annotation by a constant: ${described(constant)}`,
    },
  ];
}

interface Calls {
  pods: number;
  /** Pods a second, as it came out. */
  rate: number;
  /** Milliseconds. */
  median: number;
  p99: number;
  /** Of all calls, from 0 to 1. */
  within5ms: number;
}

function described({ pods, rate, median, p99, within5ms }: Calls): string {
  return `${pods} pods at ${rate.toFixed(0)} a second, all confined, p99 ${p99.toFixed(1)} ms, median ${median.toFixed(1)} ms, ${(within5ms * 100).toFixed(1)} % within 5 ms`;
}

async function measureConstant(world: World, seconds: number): Promise<Calls> {
  const patch = [
    { op: 'add', path: '/metadata/annotations', value: { [`${APPARMOR_ANNOTATION}main`]: `localhost/${PROFILE}` } },
    {
      op: 'add',
      path: '/spec/containers/0/securityContext',
      value: { appArmorProfile: { type: 'Localhost', localhostProfile: PROFILE } },
    },
  ];
  const end = await startConstantWebhook(world, { bench: 'constant' }, patch);
  try {
    let tries = 0;
    await waitFor(
      'the API server to call the constant webhook',
      { deadlineMs: 30_000, signal: world.signal },
      async () => isConfined(await createPod(world, 'constant', `probe-${tries++}`)),
    );
    return await measureCalls(world, 'constant', CONSTANT_WEBHOOK, seconds);
  } finally {
    await end();
  }
}

async function measureOperator(world: World, seconds: number): Promise<Calls> {
  const spec = { policy: policyOf(PROFILE, 0), pods: { selector: { matchLabels: { bench: 'operator' } } } };
  const object = { metadata: { name: PROFILE }, spec };
  const applied = await world.client.apply<AppArmorProfile>(APPARMOR_PROFILE, object, {
    fieldManager: 'bench',
    force: true,
  });
  await loadedEverywhere(world, [applied], 120_000);
  return measureCalls(world, 'operator', OURS, seconds);
}

async function measureCalls(world: World, label: string, webhook: string, seconds: number): Promise<Calls> {
  const buckets = async (): Promise<Sample[]> =>
    (await world.samples(`${HISTOGRAM}_bucket`)).filter(({ labels }) => labels['name']?.includes(webhook));
  const before = await buckets();
  const startedAt = performance.now();
  const made: Promise<Pod>[] = [];
  for (let index = 0; index < RATE * seconds; index++) {
    const early = startedAt + (index * 1000) / RATE - performance.now();
    if (early > 0) await sleep(early);
    made.push(createPod(world, label, String(index)));
  }
  const pods = await Promise.all(made);
  const rate = pods.length / ((performance.now() - startedAt) / 1000);
  const confined = pods.filter(isConfined).length;
  if (confined !== pods.length) throw new Error(`${confined} of ${pods.length} pods were confined`);
  const after = await buckets();
  return {
    pods: pods.length,
    rate,
    median: quantile(before, after, 0.5) * 1000,
    p99: quantile(before, after, 0.99) * 1000,
    within5ms: shareWithin(before, after, 0.005),
  };
}

interface Pod {
  spec: { containers: { name: string; securityContext?: { appArmorProfile?: { localhostProfile?: string } } }[] };
}

function isConfined(pod: Pod): boolean {
  return pod.spec.containers[0]?.securityContext?.appArmorProfile?.localhostProfile === PROFILE;
}

function createPod({ client }: World, label: string, name: string): Promise<Pod> {
  const pod = {
    metadata: { name: `${label}-${name}`, namespace: NAMESPACE, labels: { bench: label } },
    spec: {
      // Nothing schedules here, and a pod that waits costs nobody anything.
      nodeSelector: { never: 'scheduled' },
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'registry.example/workload:1' }],
    },
  };
  return client.create<Pod>(PODS, pod);
}
