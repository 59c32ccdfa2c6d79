import { expect } from 'chai';
import { POD_CONFIGURATIONS } from '../../../src/admission/pods/entries.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import type { WebhookConfiguration } from '../../../src/controller/webhooks/webhook-configuration.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { CLUSTER_ROLES, MUTATING_WEBHOOK_CONFIGURATIONS, NAMESPACES } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { controlPlane } from '../fixture.ts';
import { kubectl } from '../api/installation.ts';
import {
  applyProfile,
  eventWhen,
  profileWhen,
  report,
  revisionsOf,
  rowWhen,
  uniqueName,
} from '../controller/operator.ts';
import { createNamespace } from '../controller/pods.ts';
import { policy, withController } from '../controller/running.ts';

describe('spec.pods, from the object to the pod', function () {
  this.timeout(90_000);
  const running = withController();
  const node = uniqueName('spec-pods');
  const namespace = uniqueName('spec-pods');
  const loaded: Record<string, string> = {};

  before(async () => {
    await running.operator().createNode(node, { pool: 'spec-pods' });
    await rowWhen(running.client(), node);
    await createNamespace(namespace);
  });

  after(async () => {
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });

  /** Applies an object that is loaded on the only node that it is for. */
  async function applyLoaded(name: string, pods: object | undefined, rule = ''): Promise<void> {
    const client = running.client();
    const spec = { policy: policy(name, rule), nodeSelector: { pool: 'spec-pods' } };
    await applyProfile(client, name, { ...spec, ...(pods === undefined ? {} : { pods }) });
    const published = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    loaded[name] = published.status?.revision ?? '';
    await report(client, node, { loaded });
  }

  async function ready(name: string): Promise<void> {
    await profileWhen(running.client(), name, 'ready', (_, condition) => condition === 'True/Loaded');
  }

  it('confines the first pod after Ready, and none that it does not mean', async () => {
    const client = running.client();
    const name = running.newName('web');
    const began = performance.now();
    const applying = applyLoaded(name, { selector: { matchLabels: { app: name } } });
    await applying;
    await ready(name);
    console.log(`      Ready ${Math.round(performance.now() - began)} ms after apply`);
    const pod = await created(namespace, { app: name });
    expect(pod.profiles).to.deep.equal({ init: name, one: name });
    const [revision] = (await revisionsOf(client, await uidOf(client, name))).slice(-1);
    expect(JSON.parse(pod.annotations['apparmor-operator.dev/confined-by'] ?? '')).to.deep.equal({
      [name]: {
        revision: revision?.metadata.annotations?.['apparmor-operator.dev/revision-hash'],
        containers: ['init', 'one'],
      },
    });
    expect((await created(namespace, { app: 'other' })).profiles).to.deep.equal({});
    expect((await created('kube-system', { app: name })).profiles).to.deep.equal({});
  });

  it('measures the gap between the object and the rule, for both in one commit', async () => {
    const name = running.newName('gap');
    await applyProfile(running.client(), name, {
      policy: policy(name),
      nodeSelector: { pool: 'spec-pods' },
      pods: { selector: { matchLabels: { app: name } } },
    });
    const began = performance.now();
    await waitFor('the first confined pod', { deadlineMs: 20_000, intervalMs: 20 }, async () => {
      const { profiles } = await created(namespace, { app: name });
      return profiles['one'] === name ? true : undefined;
    });
    console.log(`      the rule is in force ${Math.round(performance.now() - began)} ms after the object is stored`);
  });

  it('is not Ready before the API server asks: without a working webhook it says why', async () => {
    const client = running.client();
    const name = running.newName('broken');
    // Nothing keeps what is not ours: a policy of somebody else's that refuses what proves the rule.
    await kubectl(['create', '-f', '-'], { input: JSON.stringify(refusing(name)) });
    const asked = {
      apiVersion: 'apparmor-operator.dev/v1alpha1',
      kind: 'AppArmorNode',
      metadata: { name, labels: { app: name } },
    };
    await waitFor('the policy', { deadlineMs: 20_000 }, async () => {
      const { stderr } = await controlPlane().kubectl(['create', '--dry-run=server', '-f', '-'], {
        input: JSON.stringify(asked),
      });
      return stderr.includes('refusing') ? true : undefined;
    });
    try {
      await applyLoaded(name, { selector: { matchLabels: { app: name } } });
      const object = await profileWhen(
        client,
        name,
        'not in force',
        (_, condition) => condition === 'False/PodRuleNotInForce',
      );
      expect(object.status?.conditions?.[0]?.message).to.match(
        /^loaded, but new pods do not get the profile yet: .*refusing/,
      );
      await eventWhen(client, name, 'PodRuleNotInForce', /do not get the profile/);
    } finally {
      await kubectl(['delete', 'validatingadmissionpolicy,validatingadmissionpolicybinding', name]);
    }
    await ready(name);
  });

  it('decides by priority among several objects, and goes on with the other when one is deleted', async () => {
    const client = running.client();
    const [low, high] = [running.newName('low'), running.newName('high')];
    const selector = { matchLabels: { app: low } };
    await applyLoaded(low, { selector });
    await ready(low);
    await applyLoaded(high, { selector, priority: 1, containers: ['one'] });
    await ready(high);
    expect((await created(namespace, { app: low })).profiles).to.deep.equal({ init: low, one: high });
    await client.delete(APPARMOR_PROFILE, { name: high });
    await waitFor('the other rule', { deadlineMs: 20_000 }, async () => {
      const { profiles } = await created(namespace, { app: low });
      return profiles['one'] === low ? true : undefined;
    });
    // Its owner is gone, and nothing is left of it.
    const uid = (await client.get<{ metadata: { uid: string } }>(APPARMOR_PROFILE, { name: low })).metadata.uid;
    expect((await entries(client)).filter((path) => path.includes(high))).to.deep.equal([]);
    expect(uid).not.to.equal('');
  });

  it('follows a change of the rule alone, with no new revision for the nodes', async () => {
    const client = running.client();
    const name = running.newName('changed');
    await applyLoaded(name, { selector: { matchLabels: { app: name } } });
    await ready(name);
    const before = (await revisionsOf(client, await uidOf(client, name))).map(({ metadata }) => metadata.name);
    await applyLoaded(name, { selector: { matchLabels: { app: name } }, containers: ['one'] });
    await ready(name);
    expect((await created(namespace, { app: name })).profiles).to.deep.equal({ one: name });
    expect((await revisionsOf(client, await uidOf(client, name))).map(({ metadata }) => metadata.name)).to.deep.equal(
      before,
    );
    await applyLoaded(name, undefined);
    await ready(name);
    await waitFor('the end of the rule', { deadlineMs: 20_000 }, async () => {
      const { profiles } = await created(namespace, { app: name });
      return Object.keys(profiles).length === 0 ? true : undefined;
    });
    await waitFor('the end of its entry', { deadlineMs: 20_000 }, async () =>
      (await entries(client)).some((path) => path.includes(name)) ? undefined : true,
    );
  });

  it('follows the labels of namespaces', async () => {
    const client = running.client();
    const name = running.newName('team');
    await applyLoaded(name, { namespaceSelector: { matchLabels: { team: name } } });
    await ready(name);
    expect((await created(namespace)).profiles).to.deep.equal({});
    await client.mergePatch(NAMESPACES, { name: namespace }, { metadata: { labels: { team: name } } });
    await waitFor('the label', { deadlineMs: 10_000 }, async () => {
      const { profiles } = await created(namespace);
      return profiles['one'] === name ? true : undefined;
    });
    await client.mergePatch(
      NAMESPACES,
      { name: namespace },
      { metadata: { labels: { 'apparmor-operator.dev/inject': 'disabled' } } },
    );
    await waitFor('the opt-out', { deadlineMs: 10_000 }, async () => {
      const { profiles } = await created(namespace);
      return profiles['one'] === undefined ? true : undefined;
    });
    await client.mergePatch(
      NAMESPACES,
      { name: namespace },
      { metadata: { labels: { team: null, 'apparmor-operator.dev/inject': null } } },
    );
  });

  const refused: [what: string, pods: object, text: string | undefined, message: RegExp][] = [
    ['both selectors absent', { containers: ['a'] }, undefined, /at least one of selector and namespaceSelector/],
    [
      'a key that no label can have',
      { selector: { matchLabels: { 'a b': 'c' } } },
      undefined,
      /pods\.selector\.matchLabels\["a b"\]: "a b" cannot be the key/,
    ],
    [
      'a value that no label can have',
      { selector: { matchLabels: { a: 'b c' } } },
      undefined,
      /spec\.pods\.selector\.matchLabels\.a/,
    ],
    [
      'In without values',
      { namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
      undefined,
      /spec\.pods\.namespaceSelector\.matchExpressions\[0\]/,
    ],
    [
      'a profile that the policy does not define',
      { selector: {}, profile: 'other' },
      undefined,
      /pods\.profile: the policy does not define "other"/,
    ],
    [
      'several profiles and none named',
      { selector: {} },
      'profile a { file, }\nprofile b { file, }\n',
      /pods\.profile: the policy defines several profiles: a, b/,
    ],
  ];
  for (const [what, pods, text, message] of refused) {
    it(`refuses ${what}, with the field's path`, async () => {
      const name = uniqueName('bad');
      const spec = { policy: text ?? policy(name), nodeSelector: { pool: 'nowhere' }, pods };
      const object = {
        apiVersion: 'apparmor-operator.dev/v1alpha1',
        kind: 'AppArmorProfile',
        metadata: { name },
        spec,
      };
      const { code, stderr } = await controlPlane().kubectl(['create', '-f', '-', '--dry-run=server'], {
        input: JSON.stringify(object),
      });
      expect(stderr).to.match(message);
      expect(code).not.to.equal(0);
    });
  }

  it('takes an explicit {}', async () => {
    const name = uniqueName('all');
    const spec = { policy: policy(name), nodeSelector: { pool: 'nowhere' }, pods: { selector: {} } };
    const object = { apiVersion: 'apparmor-operator.dev/v1alpha1', kind: 'AppArmorProfile', metadata: { name }, spec };
    await kubectl(['create', '-f', '-', '--dry-run=server'], { input: JSON.stringify(object) });
  });

  it('with the operator gone, refuses the pods that are meant and no others; uninstalled, none', async () => {
    const client = running.client();
    const name = running.newName('gone');
    await applyLoaded(name, { selector: { matchLabels: { app: name } } });
    await ready(name);
    await running.controller().stop();
    const message = await created(namespace, { app: name }).then(
      () => expect.fail('it was not refused'),
      (error: unknown) => String(error),
    );
    expect(message).to.contain('pods.apparmor-operator.dev').and.to.contain(`/apparmorprofiles/${name}`);
    expect((await created(namespace, { app: 'other' })).profiles).to.deep.equal({});
    expect((await created('kube-system', { app: name })).profiles).to.deep.equal({});
    // What deleting the manifests deletes.
    await client.delete(CLUSTER_ROLES, { name: 'apparmor-operator-controller' });
    await waitFor('the end of the webhook', { deadlineMs: 30_000 }, async () => {
      const { profiles } = await created(namespace, { app: name });
      return Object.keys(profiles).length === 0 ? true : undefined;
    });
    expect(await entries(client)).to.deep.equal([]);
  });
});

interface CreatedPod {
  annotations: Record<string, string>;
  /** Of the containers that have one. */
  profiles: Record<string, string>;
}

/** A pod with an init container and a container, as the API server would store it. */
async function created(namespace: string, labels: Record<string, string> = {}): Promise<CreatedPod> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: 'pod-', namespace, labels },
    spec: { initContainers: [{ name: 'init', image: 'x' }], containers: [{ name: 'one', image: 'x' }] },
  };
  const text = await kubectl(['create', '-f', '-', '--dry-run=server', '-o', 'json'], { input: JSON.stringify(pod) });
  const { metadata, spec } = JSON.parse(text) as {
    metadata: { annotations?: Record<string, string> };
    spec: Record<
      'initContainers' | 'containers',
      { name: string; securityContext?: { appArmorProfile?: { localhostProfile?: string } } }[]
    >;
  };
  const containers = [...spec.initContainers, ...spec.containers];
  return {
    annotations: metadata.annotations ?? {},
    profiles: Object.fromEntries(
      containers.flatMap(({ name, securityContext }) => {
        const profile = securityContext?.appArmorProfile?.localhostProfile;
        return profile === undefined ? [] : [[name, profile]];
      }),
    ),
  };
}

/** Where the entries of the pod webhook call. */
async function entries(client: KubeClient): Promise<string[]> {
  const { items } = await client.list<WebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS);
  return items
    .filter(({ metadata }) => POD_CONFIGURATIONS.includes(metadata.name))
    .flatMap(({ webhooks = [] }) => webhooks.map(({ clientConfig }) => JSON.stringify(clientConfig)));
}

async function uidOf(client: KubeClient, name: string): Promise<string> {
  return (await client.get<{ metadata: { uid: string } }>(APPARMOR_PROFILE, { name })).metadata.uid;
}

/** Policy and binding that refuse AppArmorNodes with the label. */
function refusing(name: string): object {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: {
            objectSelector: { matchLabels: { app: name } },
            resourceRules: [
              {
                apiGroups: ['apparmor-operator.dev'],
                apiVersions: ['*'],
                operations: ['CREATE'],
                resources: ['apparmornodes'],
              },
            ],
          },
          validations: [{ expression: 'false', message: 'a test is refusing this' }],
        },
      },
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    ],
  };
}
