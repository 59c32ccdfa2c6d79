import { expect } from 'chai';
import type { AdmissionHandler, JsonPatchOperation } from '../../../src/admission/admission-review.ts';
import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import {
  EVENTS,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  PODS,
  type KubeObject,
} from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { serve } from '../admission/pod-engine.ts';
import { kubectl } from '../api/installation.ts';
import {
  applyProfile,
  BOOT_ID,
  eventWhen,
  profileWhen,
  report,
  rowWhen,
  uniqueName,
  type KubeEvent,
} from './operator.ts';
import { createNamespace } from './pods.ts';
import { policy, withController } from './running.ts';

const STARTED = new Date(Date.now() - 600_000);

describe('controller: how pods run', function () {
  this.timeout(120_000);
  const running = withController();
  const node = uniqueName('pod-counts');
  const namespace = uniqueName('pod-counts');
  const loaded: Record<string, string> = {};

  before(async () => {
    await running.operator().createNode(node, { pool: 'pod-counts' });
    await rowWhen(running.client(), node);
    await createNamespace(namespace);
  });

  after(async () => {
    await kubectl(['delete', 'pods', '--all', `--namespace=${namespace}`, '--force', '--grace-period=0']);
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  /** Applies an object for pods with the label `app: NAME` and lets the node hold it. */
  async function applyLoaded(name: string, pods: object = {}, spec: object = {}): Promise<void> {
    const client = running.client();
    const selector = { matchLabels: { app: name } };
    const whole = { policy: policy(name), nodeSelector: { pool: 'pod-counts' }, pods: { selector, ...pods }, ...spec };
    await applyProfile(client, name, whole);
    const published = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    loaded[name] = published.status?.revision ?? '';
    await report(client, node, { loaded });
  }

  /** A pod that runs on the node, as its kubelet would report it. */
  async function run(name: string, labels: Record<string, string>, spec: object = {}): Promise<void> {
    const client = running.client();
    await client.create(PODS, {
      metadata: { namespace, name, labels },
      spec: { nodeName: node, containers: [{ name: 'web', image: 'i' }], terminationGracePeriodSeconds: 0, ...spec },
    } as KubeObject);
    await started(client, namespace, name, STARTED);
  }

  async function remove(name: string): Promise<void> {
    await kubectl(['delete', 'pod', name, `--namespace=${namespace}`, '--force', '--grace-period=0']);
  }

  /** An object that is Ready and has one pod, of its name. */
  async function confinedPod(name: string): Promise<void> {
    await applyLoaded(name);
    await profileWhen(running.client(), name, 'ready', (_, ready) => ready === 'True/Loaded');
    await run(name, { app: name });
    await counts(name, '1/1', 'True/Confined');
  }

  /** Waits until the object counts its pods so. */
  async function counts(name: string, column: string, condition: string, pods: object = {}): Promise<AppArmorProfile> {
    return profileWhen(running.client(), name, `${column} ${condition}`, ({ status }) => {
      if (status?.podsConfined !== column || podsConditionOf(status) !== condition) return false;
      return Object.entries(pods).every(([key, value]) => status.pods?.[key as 'matched'] === value);
    });
  }

  it('pods that are older than the rule wait for a restart and are told so; those after it are confined', async () => {
    const client = running.client();
    const name = running.newName('older');
    await run(`${name}-1`, { app: name });
    await run(`${name}-other`, { app: 'other' });
    await applyLoaded(name);
    const pending = await counts(name, '0/1', 'False/PodsPendingRestart', { pendingRestart: 1, skipped: 0 });
    expect(messageOf(pending)).to.contain(
      `1 pod not: 1 NoProfile (${namespace}/${name}-1: container web has no profile`,
    );
    const event = await eventWhen(
      client,
      `${name}-1`,
      'NoProfile',
      new RegExp(`AppArmorProfile ${name} should .*create it anew`),
    );
    expect(event).to.deep.include({ type: 'Warning' });
    expect(event.regarding.kind).to.equal('Pod');

    await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
    await run(`${name}-2`, { app: name });
    await counts(name, '1/2', 'False/PodsPendingRestart', { matched: 2, confined: 1 });
    await remove(`${name}-1`);
    await counts(name, '1/1', 'True/Confined');
    expect(await kubectl(['get', 'apparmorprofile', name])).to.match(/\b1\/1\b.*\b1\/1\b/);
    await client.mergePatch(
      PODS,
      { namespace, name: `${name}-2` },
      { status: { phase: 'Succeeded' } },
      { subresource: 'status' },
    );
    await counts(name, '0/0', 'False/NoMatchingPod');

    const events = (await client.list<KubeEvent>(EVENTS, { namespace })).items.map(({ regarding }) => regarding.name);
    expect(events.filter((about) => about === `${name}-1`)).to.have.length(1);
    expect(events).not.to.include.members([`${name}-2`]);
    expect(events).not.to.include.members([`${name}-other`]);
  });

  it('a pod that came to match later, by its labels or its namespace’s, waits for a restart', async () => {
    const client = running.client();
    const name = running.newName('later');
    await applyLoaded(name, { namespaceSelector: { matchLabels: { [name]: 'yes' } } });
    await run(name, {});
    await counts(name, '0/0', 'False/NoMatchingPod');
    await client.mergePatch(PODS, { namespace, name }, { metadata: { labels: { app: name } } });
    await client.mergePatch(NAMESPACES, { name: namespace }, { metadata: { labels: { [name]: 'yes' } } });
    await counts(name, '0/1', 'False/PodsPendingRestart');
    await client.mergePatch(
      NAMESPACES,
      { name: namespace },
      { metadata: { labels: { 'apparmor-operator.dev/inject': 'disabled' } } },
    );
    const skipped = await counts(name, '0/1', 'False/PodsSkipped', { skipped: 1 });
    expect(messageOf(skipped)).to.contain('1 Namespace');
    await client.mergePatch(
      NAMESPACES,
      { name: namespace },
      { metadata: { labels: { 'apparmor-operator.dev/inject': null } } },
    );
    await counts(name, '0/1', 'False/PodsPendingRestart');
    await remove(name);
  });

  it('what something unloaded: pods that ran lost it, containers that start afterwards have it', async () => {
    const client = running.client();
    const name = running.newName('lost');
    await confinedPod(name);
    const loadedSince = { [name]: new Date().toISOString() };
    await report(client, node, { loaded, loadedSince });
    const lost = await counts(name, '0/1', 'False/ConfinementLost');
    expect(messageOf(lost)).to.contain(
      `runs unconfined: the profile ${name} was removed from the kernel of node ${node}`,
    );
    await eventWhen(client, name, 'ConfinementLost', /runs unconfined/);
    await started(client, namespace, name, new Date(Date.now() + 2000));
    await counts(name, '1/1', 'True/Confined');
    await remove(name);
  });

  it('a node that was restarted holds nothing before it says so', async () => {
    const client = running.client();
    const name = running.newName('restarted');
    await confinedPod(name);
    await report(client, node, { loaded, bootID: 'an earlier boot' });
    await counts(name, '0/1', 'False/NodeDoesNotHold');
    await report(client, node, { loaded, bootID: BOOT_ID });
    await counts(name, '1/1', 'True/Confined');
    await report(client, node, { loaded: { ...loaded, [name]: 'of another' } });
    await counts(name, '0/1', 'False/NodeDoesNotHold');
    await report(client, node, { loaded });
    await counts(name, '1/1', 'True/Confined');
    await remove(name);
  });

  it('what the author decided stays and is skipped, a container without a profile beside others is not', async () => {
    const name = running.newName('mixed');
    const profile = { appArmorProfile: { type: 'Localhost', localhostProfile: name } };
    const own = { appArmorProfile: { type: 'Unconfined' } };
    await run(`${name}-own`, { app: name }, { securityContext: own });
    await run(`${name}-part`, { app: name }, { containers: [{ name: 'web', image: 'i', securityContext: profile }, { name: 'added', image: 'i' }] }); // prettier-ignore
    await run(`${name}-whole`, { app: name }, { securityContext: profile });
    await applyLoaded(name, { containers: ['web', 'added', 'wbe'] });
    const mixed = await counts(name, '1/3', 'False/PodsPendingRestart', { pendingRestart: 1, skipped: 1, confined: 1 });
    expect(messageOf(mixed)).to.match(/1 PartlyConfined .*container added has no profile.*1 OwnProfile/);
    expect(mixed.status?.failures?.map(({ reason, message }) => `${reason}: ${message}`)).to.deep.equal([
      'ContainerNotFound: spec.pods.containers names wbe, which no matching pod has: correct the name, or leave it out',
    ]);
    for (const pod of ['own', 'part', 'whole']) await remove(`${name}-${pod}`);
  });

  it('what another webhook adds after ours has been asked for the last time is told of', async () => {
    const client = running.client();
    const name = running.newName('webhook');
    const configuration = `zzzz-${name}`;
    const served = await serve(new Map([['/late', adding(name)]]));
    try {
      await client.create(MUTATING_WEBHOOK_CONFIGURATIONS, late(configuration, namespace, served.connect('/late')));
      await applyLoaded(name);
      await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
      await waitFor('the other webhook', { deadlineMs: 10_000 }, async () => {
        const made = await kubectl(['create', '-f', '-', '--dry-run=server', '-o', 'json'], {
          input: JSON.stringify(lateLabel(namespace)),
        });
        return made.includes(name) ? true : undefined;
      });
      await run(`${name}-label`, { late: 'label' });
      await run(`${name}-containers`, { app: name, late: 'containers' });
      const told = await counts(name, '0/2', 'False/PodsPendingRestart', { pendingRestart: 2 });
      // Asked again for the first container, and not for the second.
      expect(messageOf(told)).to.match(/1 PartlyConfined \(\S+-containers: container added-2 has no profile/);
      expect(messageOf(told)).to.match(/1 NoProfile \(\S+-label: /);
      await eventWhen(client, `${name}-containers`, 'PartlyConfined', /another webhook added this one/);
    } finally {
      await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name: configuration });
      await served.stop();
    }
    for (const pod of ['label', 'containers']) await remove(`${name}-${pod}`);
  });

  it('of two objects the one that decides counts the pod, the other says who won', async () => {
    const client = running.client();
    const [low, high] = [running.newName('low'), running.newName('high')];
    await applyLoaded(low);
    await applyLoaded(high, { selector: { matchLabels: { app: low } }, priority: 1 });
    await profileWhen(client, high, 'ready', (_, ready) => ready === 'True/Loaded');
    await run(low, { app: low });
    await counts(high, '1/1', 'True/Confined');
    const loser = await counts(low, '0/1', 'False/PodsSkipped', { skipped: 1 });
    expect(messageOf(loser)).to.contain(`1 OtherObject (${namespace}/${low}: AppArmorProfile ${high} decides for it`);
    // Without the winner the pod still has its profile, which the other object would not give.
    await kubectl(['delete', 'apparmorprofile', high]);
    const left = await counts(low, '0/1', 'False/PodsPendingRestart', { pendingRestart: 1 });
    expect(messageOf(left)).to.contain('1 EarlierRule');
    await remove(low);
  });

  it('complain mode is no confinement, nor is a privileged container on CRI-O', async () => {
    const client = running.client();
    const name = running.newName('weak');
    await applyLoaded(name, {}, { mode: 'Complain' });
    await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/LoadedNotEnforcing');
    const privileged = { name: 'web', image: 'i', securityContext: { privileged: true } };
    await run(name, { app: name }, { containers: [privileged] });
    await counts(name, '0/1', 'False/Complaining', { complaining: 1 });
    await runtime(node, 'cri-o://1.31.0');
    const skipped = await counts(name, '0/1', 'False/PodsSkipped', { skipped: 1 });
    expect(messageOf(skipped)).to.contain('1 PrivilegedOnCrio');
    await runtime(node, 'containerd://2.1.0');
    await counts(name, '0/1', 'False/Complaining');
    await applyLoaded(name);
    await counts(name, '1/1', 'True/Confined');
    await remove(name);
  });
});

/** Gives pods the label of the object's selector, or one more container each time that it is asked. */
function adding(app: string): AdmissionHandler {
  return ({ object }) => {
    const { metadata, spec } = object as {
      metadata: { labels?: Record<string, string> };
      spec: { containers: object[] };
    };
    const added = { name: `added-${spec.containers.length}`, image: 'i' };
    const patches: Record<string, JsonPatchOperation> = {
      label: { op: 'add', path: '/metadata/labels/app', value: app },
      containers: { op: 'add', path: '/spec/containers/-', value: added },
    };
    const patch = patches[metadata.labels?.['late'] ?? ''];
    return Promise.resolve({ allowed: true, patch: patch === undefined ? [] : [patch] });
  };
}

/** A webhook that is called after ours, and again if ours has changed something. */
function late(name: string, namespace: string, clientConfig: object): KubeObject {
  const webhook = {
    name: 'late.example.test',
    admissionReviewVersions: ['v1'],
    clientConfig,
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    reinvocationPolicy: 'IfNeeded',
    sideEffects: 'None',
  };
  return { metadata: { name }, webhooks: [webhook] } as KubeObject;
}

function lateLabel(namespace: string): object {
  const spec = { containers: [{ name: 'web', image: 'i' }] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'late-', namespace, labels: { late: 'label' } },
    spec,
  };
}

/** What a kubelet says of a pod whose containers were started then. */
async function started(client: KubeClient, namespace: string, name: string, at: Date): Promise<void> {
  const { spec } = await client.get<{ spec: { containers: { name: string }[] } }>(PODS, { namespace, name });
  const startedAt = at.toISOString().replace(/\.\d+Z$/, 'Z');
  const containerStatuses = spec.containers.map((container) => ({
    name: container.name,
    image: 'i',
    imageID: '',
    ready: true,
    restartCount: 0,
    state: { running: { startedAt } },
  }));
  await client.mergePatch(
    PODS,
    { namespace, name },
    { status: { phase: 'Running', containerStatuses } },
    { subresource: 'status' },
  );
}

async function runtime(node: string, containerRuntimeVersion: string): Promise<void> {
  const status = { nodeInfo: { containerRuntimeVersion } };
  await kubectl(['patch', 'node', node, '--subresource=status', '-p', JSON.stringify({ status })]);
}

function conditionOf(status: AppArmorProfile['status']) {
  return status?.conditions?.find(({ type }) => type === 'PodsConfined');
}

function podsConditionOf(status: AppArmorProfile['status']): string {
  const condition = conditionOf(status);
  return `${condition?.status}/${condition?.reason}`;
}

function messageOf({ status }: AppArmorProfile): string {
  return conditionOf(status)?.message ?? '';
}
