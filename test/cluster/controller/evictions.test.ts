import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { PODS, type ObjectMeta } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { kubectl, ROOT } from '../api/installation.ts';
import { controlPlane } from '../fixture.ts';
import { agentSays, READY } from './pods.ts';
import { applyProfile, eventWhen, getProfile, profileWhen, report, rowWhen, uniqueName } from './operator.ts';
import { policy, withController } from './running.ts';

const EVICT = join(ROOT, 'manifests', 'evict');

interface Pod {
  metadata: ObjectMeta;
  spec: { nodeName?: string; containers: { securityContext?: { appArmorProfile?: object } }[] };
  status?: { phase?: string; conditions?: { type: string; status: string }[] };
}

/** ReplicaSets, PodDisruptionBudgets and the scheduler are real; the test is the kubelet. */
describe('restart: Evict', function () {
  this.timeout(180_000);
  const stop = new AbortController();
  let kubelet = Promise.resolve();

  // Before the hook that closes its connection.
  after('stop the kubelet', async () => {
    stop.abort();
    await kubelet;
    await kubectl(['delete', '-k', EVICT, '--ignore-not-found']);
    await kubectl([
      'delete',
      'deployments,jobs,pods',
      '--all',
      `--namespace=${namespace}`,
      '--force',
      '--grace-period=0',
    ]);
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  const running = withController();
  const node = uniqueName('evict');
  const namespace = uniqueName('evict');
  const loaded: Record<string, string> = {};
  /** Labels `app` whose new pods do not become Ready. */
  const broken = new Set<string>();

  before('a node that enforces, and its kubelet', async () => {
    const client = running.client();
    await running.operator().createNode(node);
    await rowWhen(client, node);
    await agentSays(client, node, READY);
    await report(client, node, { loaded });
    await kubectl(['create', 'namespace', namespace]);
    kubelet = actAsKubelet(client, namespace, broken, stop.signal);
  });

  /** A Deployment of an app that has been running for long. */
  async function deploy(app: string, replicas: number): Promise<void> {
    const labels = { app };
    const pod = { terminationGracePeriodSeconds: 0, containers: [{ name: 'one', image: 'x' }] };
    const spec = { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod } };
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: app, namespace }, spec };
    await kubectl(['create', '-f', '-'], { input: JSON.stringify(deployment) });
    await waitFor(`${app} to be Ready`, { deadlineMs: 30_000 }, async () => {
      const pods = await podsOf(running.client(), namespace, app);
      return pods.length === replicas && pods.every(isReady) ? true : undefined;
    });
  }

  async function confine(name: string, apps: readonly string[], restart: 'Evict' | 'Never' = 'Evict'): Promise<void> {
    const client = running.client();
    const selector = { matchExpressions: [{ key: 'app', operator: 'In', values: [...apps] }] };
    await applyProfile(client, name, { policy: policy(name), pods: { selector, restart } });
    const { status } = await profileWhen(client, name, 'published', (one) => one.status?.revision !== undefined);
    loaded[name] = status?.revision ?? '';
    await report(client, node, { loaded });
    await profileWhen(client, name, 'ready', (_, condition) => condition === 'True/Loaded');
  }

  async function noted(name: string, text: RegExp): Promise<AppArmorProfile> {
    let last: AppArmorProfile | undefined;
    return waitFor(`${name} to say ${text}`, { deadlineMs: 60_000 }, async () => {
      last = await getProfile(running.client(), name);
      return text.test(messageOf(last)) ? last : undefined;
    }).catch((error: unknown) => {
      throw new Error(`${name} says ${last === undefined ? '' : messageOf(last)}`, { cause: error });
    });
  }

  it('without the right says which command gives it, and evicts nothing', async () => {
    const client = running.client();
    const app = running.newName('evict-web');
    await deploy(app, 3);
    const before = (await podsOf(client, namespace, app)).map(({ metadata }) => metadata.uid).sort();
    await confine(app, [app]);
    await noted(app, /no right to do; grant it with: kubectl apply -k manifests\/evict/);
    await eventWhen(client, app, 'EvictionNotPermitted', /kubectl apply -k manifests\/evict/);
    const after = (await podsOf(client, namespace, app)).map(({ metadata }) => metadata.uid).sort();
    expect(after).to.deep.equal(before);
    expect(running.controller().log().split('reconcile failed').length).to.be.lessThan(3);
    await kubectl(['apply', '-k', EVICT]);
    // The next try is 20 s after the last one.
    const least = await fewestReady(client, namespace, app, async () => {
      await noted(app, /^3 of 3 pods confined$|^3 of 3 pods confined; /);
    });
    expect(least).to.equal(2);
    const confined = await podsOf(client, namespace, app);
    expect(confined.map(isConfined)).to.deep.equal([true, true, true]);
    expect(confined.map(({ metadata }) => metadata.uid).filter((uid) => before.includes(uid))).to.deep.equal([]);
    await eventWhen(client, app, 'Evicted', /ReplicaSet .* makes another in its place/);
  });

  it('by default leaves everything as it is, and reports bare pods and those of Jobs', async () => {
    const client = running.client();
    const [never, name] = [running.newName('evict-never'), running.newName('evict-bare')];
    const spec = {
      containers: [{ name: 'one', image: 'x' }],
      terminationGracePeriodSeconds: 0,
      restartPolicy: 'Never',
    };
    for (const app of [never, name]) {
      const bare = { apiVersion: 'v1', kind: 'Pod', metadata: { name: app, namespace, labels: { app } }, spec };
      const template = { metadata: { labels: { app } }, spec };
      const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: app, namespace }, spec: { template } };
      for (const object of [bare, job]) await kubectl(['create', '-f', '-'], { input: JSON.stringify(object) });
      await waitFor('them to run', { deadlineMs: 30_000 }, async () => {
        const pods = await podsOf(client, namespace, app);
        return pods.length === 2 && pods.every(isReady) ? true : undefined;
      });
    }
    await confine(never, [never], 'Never');
    await confine(name, [name]);
    await noted(name, /2 pods to be restarted by hand, as nobody would replace an evicted one/);
    await noted(never, /0 of 2 pods confined/);
    for (const app of [never, name])
      expect((await podsOf(client, namespace, app)).map(isConfined)).to.deep.equal([false, false]);
  });

  it('waits for a PodDisruptionBudget, and goes on when that allows it', async () => {
    const client = running.client();
    const app = running.newName('evict-budget');
    await deploy(app, 2);
    await kubectl(['create', 'poddisruptionbudget', app, `--namespace=${namespace}`, `--selector=app=${app}`, '--min-available=2']); // prettier-ignore
    await confine(app, [app]);
    await noted(app, /may not be evicted now: .*disruption budget/);
    expect((await podsOf(client, namespace, app)).map(isConfined)).to.deep.equal([false, false]);
    await kubectl(['patch', 'poddisruptionbudget', app, `--namespace=${namespace}`, '--type=merge', '-p', '{"spec":{"minAvailable":1}}']); // prettier-ignore
    await noted(app, /^2 of 2 pods confined/);
  });

  it('stops at the first owner whose new pod is not Ready, and goes on when it is', async () => {
    const client = running.client();
    const [one, two] = [running.newName('evict-a'), uniqueName('evict-b')];
    await deploy(one, 1);
    await deploy(two, 1);
    broken.add(one);
    await confine(one, [one, two]);
    await noted(one, /waiting: pod .* was evicted, and its replacement .* is not Ready/);
    expect((await podsOf(client, namespace, two)).map(isConfined)).to.deep.equal([false]);
    broken.delete(one);
    await noted(one, /^2 of 2 pods confined/);
  });
});

function messageOf({ status }: AppArmorProfile): string {
  return status?.conditions?.find(({ type }) => type === 'PodsConfined')?.message ?? '';
}

/** The fewest Ready pods that the app has while `during` lasts. */
async function fewestReady(
  client: KubeClient,
  namespace: string,
  app: string,
  during: () => Promise<void>,
): Promise<number> {
  const ended = new AbortController();
  let fewest = Infinity;
  const watching = (async () => {
    while (!ended.signal.aborted) {
      fewest = Math.min(fewest, (await podsOf(client, namespace, app)).filter(isReady).length);
      await sleep(20, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  })();
  try {
    await during();
  } finally {
    ended.abort();
    await watching;
  }
  return fewest;
}

/** Those that are not ending; of every app where none is named. */
async function podsOf(client: KubeClient, namespace: string, app: string): Promise<Pod[]> {
  const { items } = await client.list<Pod>(PODS, {
    namespace,
    ...(app === '' ? {} : { labelSelector: `app=${app}` }),
  });
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: now }) => type === 'Ready' && now === 'True') ?? false;
}

function isConfined({ spec }: Pod): boolean {
  return spec.containers.every(({ securityContext }) => securityContext?.appArmorProfile !== undefined);
}

/** Runs what is bound to a node, and ends what is deleted. */
async function actAsKubelet(
  client: KubeClient,
  namespace: string,
  broken: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { items } = await client.list<Pod>(PODS, { namespace });
    for (const pod of items) {
      if (pod.spec.nodeName === undefined) continue;
      if (pod.metadata.deletionTimestamp !== undefined) await end(namespace, pod.metadata.name);
      else if (!isReady(pod) && !broken.has(pod.metadata.labels?.['app'] ?? '')) await run(client, pod);
    }
    await sleep(50, undefined, { signal }).catch(() => undefined);
  }
}

async function run(client: KubeClient, { metadata }: Pod): Promise<void> {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const conditions = ['Ready', 'ContainersReady'].map((type) => ({ type, status: 'True', lastTransitionTime: now }));
  const state = { running: { startedAt: now } };
  const container = { name: 'one', image: 'x', imageID: '', ready: true, started: true, restartCount: 0, state };
  const status = { phase: 'Running', conditions, containerStatuses: [container] };
  const key = { namespace: metadata.namespace ?? '', name: metadata.name };
  await client.mergePatch(PODS, key, { status }, { subresource: 'status' }).catch(() => undefined);
}

async function end(namespace: string, name: string): Promise<void> {
  await controlPlane().kubectl([
    'delete',
    'pod',
    name,
    `--namespace=${namespace}`,
    '--force',
    '--grace-period=0',
    '--ignore-not-found',
  ]);
}
