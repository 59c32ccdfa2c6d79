import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { workloadImage } from '../testbed/workload-image.ts';
import { cluster } from './fixture.ts';
import { applyProfile, DEADLINE_MS, kubectl, profileReady } from './operator.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';

const PROFILE = 'workloads-confined';
const LABELS = { 'workloads-test': 'confined' };

describe('workloads that match spec.pods', function () {
  this.timeout(600_000);
  before('the object is Ready, and then its pods are created', async () => {
    await applyProfile(PROFILE, {
      policy: `profile ${PROFILE} flags=(attach_disconnected) {\n  file,\n  signal,\n  deny /tmp/** w,\n}\n`,
      pods: { selector: { matchLabels: LABELS } },
    });
    await profileReady(PROFILE);
    await create([
      ...['Deployment', 'StatefulSet', 'DaemonSet', 'Job'].map(workload),
      barePod('workloads-bare', LABELS),
      barePod('workloads-unmatched', { 'workloads-test': 'unmatched' }),
    ]);
  });

  it('each of their processes runs under the profile, init containers and sidecars too', async () => {
    const expected = [
      ...['deployment', 'job', 'statefulset'].map((kind) => `workloads-${kind}`),
      ...cluster().nodes.map(() => 'workloads-daemonset'),
      'workloads-bare',
    ].toSorted();
    const pods = await waitFor('all run', { deadlineMs: DEADLINE_MS, intervalMs: 1000 }, async () => {
      const found = (await podsOf(LABELS)).filter(({ status }) => isRunning(status));
      return found.length === expected.length ? found : undefined;
    });
    expect(pods.map(({ metadata }) => metadata.labels['workloads-name'] ?? '').toSorted()).to.deep.equal(expected);
    for (const { metadata, spec } of pods) {
      for (const { name } of [...(spec.initContainers ?? []), ...spec.containers]) {
        const label = `${metadata.name}/${name}`;
        expect(await confinement(metadata.name, name), label).to.equal(`${PROFILE} (enforce)`);
        const key = `container.apparmor.security.beta.kubernetes.io/${name}`;
        expect(metadata.annotations?.[key], label).to.equal(`localhost/${PROFILE}`);
      }
    }
  });

  it('control: a pod that does not match runs without it', async () => {
    await kubectl(['wait', '-n', POD_NAMESPACE, '--for=condition=Ready', 'pod/workloads-unmatched', '--timeout=180s']);
    expect(await confinement('workloads-unmatched', 'main')).not.to.contain(PROFILE);
  });

  after(async () => {
    const kinds = 'deployments,statefulsets,daemonsets,jobs,pods';
    await kubectl(['delete', kinds, '-n', POD_NAMESPACE, '-l', 'workloads-test', '--timeout=120s']);
  });
});

/** With a native sidecar, which is an init container that stays. */
function workload(kind: string): object {
  const name = `workloads-${kind.toLowerCase()}`;
  const labels = { ...LABELS, 'workloads-name': name };
  const sidecar = { ...container('sidecar'), restartPolicy: 'Always' };
  const template = {
    metadata: { labels },
    spec: {
      terminationGracePeriodSeconds: 0,
      ...(kind === 'Job' ? { restartPolicy: 'Never' } : {}),
      ...(kind === 'Deployment' ? { initContainers: [sidecar] } : {}),
      containers: [container('main')],
    },
  };
  return {
    apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
    kind,
    metadata: { name, namespace: POD_NAMESPACE, labels },
    spec: {
      ...(kind === 'Job' ? {} : { selector: { matchLabels: { 'workloads-name': name } } }),
      ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
      template,
    },
  };
}

function barePod(name: string, labels: Readonly<Record<string, string>>): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: POD_NAMESPACE, labels: { ...labels, 'workloads-name': name } },
    spec: { terminationGracePeriodSeconds: 0, containers: [container('main')] },
  };
}

function container(name: string): object {
  return { name, image: workloadImage, imagePullPolicy: 'Never', command: ['sleep', '100000'] };
}

interface Pod {
  metadata: { name: string; labels: Record<string, string>; annotations?: Record<string, string> };
  spec: { initContainers?: { name: string }[]; containers: { name: string }[] };
  status: { phase?: string; conditions?: { type: string; status: string }[] };
}

async function podsOf(labels: Readonly<Record<string, string>>): Promise<Pod[]> {
  const selector = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const text = await kubectl(['get', 'pods', '-n', POD_NAMESPACE, '-l', selector.join(','), '-o', 'json']);
  return (JSON.parse(text) as { items: Pod[] }).items;
}

function isRunning({ phase, conditions = [] }: Pod['status']): boolean {
  return phase === 'Running' && conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** As the kernel knows the container's first process. */
async function confinement(pod: string, container: string): Promise<string> {
  const read = ['cat', '/proc/1/attr/apparmor/current'];
  return (await kubectl(['exec', '-n', POD_NAMESPACE, pod, '-c', container, '--', ...read])).trim();
}

async function create(objects: readonly object[]): Promise<void> {
  await kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
}
