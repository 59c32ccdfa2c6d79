import { expect } from 'chai';
import type { AdmissionHandler, JsonPatchOperation } from '../../../src/admission/admission-review.ts';
import { entryName, POD_CONFIGURATIONS, POD_WEBHOOK_PATH, podEntries } from '../../../src/admission/pods/entries.ts';
import { createPodHandler } from '../../../src/admission/pods/handler.ts';
import type { Labels } from '../../../src/admission/pods/label-selector.ts';
import { patchFor } from '../../../src/admission/pods/patch.ts';
import { readPod } from '../../../src/admission/pods/pod-subject.ts';
import { proveInForce } from '../../../src/admission/pods/probe.ts';
import { decide } from '../../../src/admission/pods/rule.ts';
import { createRuleBook } from '../../../src/admission/pods/rule-book.ts';
import { createKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { collectionPath, NAMESPACES, PODS, type PartialObject, type Resource } from '../../../src/kube/resource.ts';
import { createTransport, type Transport } from '../../../src/kube/transport.ts';
import { waitFor } from '../../testbed/process.ts';
import { applyPatch } from '../../unit/admission/pods/json-patch.ts';
import {
  CASES,
  NAMESPACE_LABELS,
  RULES,
  TABLE_LABEL,
  type Case,
  type Pod,
  type TableNamespace,
} from '../../unit/admission/pods/pod-table.ts';
import { kubectl } from '../api/installation.ts';
import { controlPlane } from '../fixture.ts';
import { serve, type Served } from './pod-engine.ts';

const CONFIGURATIONS: Resource = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
  kind: 'MutatingWebhookConfiguration',
};
const OWN = 'apparmor-operator';
const going = new AbortController().signal;

describe('the pod rule on a real API server', function () {
  this.timeout(60_000);
  const book = createRuleBook();
  const namespaceLabels = new Map<string, Labels>();
  const baseline = new Map<string, unknown>();
  let transport: Transport;
  let client: KubeClient;
  let served: Served;
  let podCalls = 0;
  /** What other webhooks do to a pod, one before ours and one after. */
  let early: readonly JsonPatchOperation[] = [];
  let late: readonly JsonPatchOperation[] = [];

  const confine = createPodHandler({
    ownNamespace: OWN,
    book,
    cachedLabels: (name) => namespaceLabels.get(name),
    readLabels: async (name) => (await client.get<PartialObject>(NAMESPACES, { name })).metadata.labels ?? {},
    waitMs: 1000,
    someNodeCannotEnforce: () => false,
    clock: systemClock,
  });
  async function dryRun(pod: object, namespace: TableNamespace): Promise<unknown> {
    const { body } = await transport.request({
      method: 'POST',
      path: collectionPath(PODS, nameOf(namespace)),
      query: { dryRun: 'All' },
      body: pod,
    });
    return normalised(body);
  }

  async function configure(name: string, webhooks: readonly object[]): Promise<void> {
    await client.apply(CONFIGURATIONS, { metadata: { name }, webhooks }, { fieldManager: 'pods-test', force: true });
  }

  before('namespaces, and what the API server makes of the pods as the pure function patches them', async () => {
    transport = createTransport(kubeconfigAccess(controlPlane().kubeconfig), {
      userAgent: 'pods-test',
      timeoutMs: 20_000,
    });
    client = createKubeClient(transport);
    for (const [key, labels] of Object.entries(NAMESPACE_LABELS)) {
      const namespace = key as TableNamespace;
      const name = nameOf(namespace);
      if (namespace === 'kube-system') await kubectl(['label', 'namespace', name, `${TABLE_LABEL}=yes`]);
      else await client.create(NAMESPACES, { metadata: { name, labels } } as never);
      namespaceLabels.set(name, labels);
      await waitFor(`the ServiceAccount of ${name}`, { deadlineMs: 20_000 }, async () => {
        const { code } = await controlPlane().kubectl(['get', 'serviceaccount', 'default', `--namespace=${name}`]);
        return code === 0 ? true : undefined;
      });
    }
    for (const { what, pod, namespace } of CASES) baseline.set(what, await dryRun(patched(pod, namespace), namespace));
  });

  before('the webhook', async () => {
    for (const rule of RULES) book.set(rule.object.uid, rule);
    served = await serve(
      new Map<string, AdmissionHandler>([
        [
          POD_WEBHOOK_PATH,
          (request, signal, path) => {
            if (request.resource.resource === 'pods') podCalls += 1;
            return confine(request, signal, path);
          },
        ],
        ['/early', doing(() => early)],
        ['/late', doing(() => late)],
      ]),
    );
  });

  after(async () => {
    await kubectl(['delete', 'mutatingwebhookconfigurations', '--ignore-not-found', ...POD_CONFIGURATIONS]);
    await kubectl(['label', 'namespace', 'kube-system', `${TABLE_LABEL}-`]);
    await served.stop();
    await kubectl([
      'delete',
      'namespaces',
      '--wait=false',
      ...[...namespaceLabels.keys()].filter((name) => name !== 'kube-system'),
    ]);
    await transport.close();
  });

  it('is proved to be in force, and not before it is', async () => {
    const groups = book.groups();
    for (const group of groups) {
      expect(await proveInForce(group, transport, going)).to.include({ kind: 'not-in-force' });
    }
    const began = performance.now();
    for (const name of POD_CONFIGURATIONS) {
      const { entries } = podEntries(name, groups, { ownNamespace: OWN, connect: (path) => served.connect(path) });
      if (entries.length > 0) await configure(name, entries);
    }
    for (const group of groups) {
      await waitFor(`the entry of ${group.rules[0]?.object.name}`, { deadlineMs: 10_000, intervalMs: 10 }, async () => {
        const proof = await proveInForce(group, transport, going);
        return proof.kind === 'in-force' ? true : undefined;
      });
    }
    console.log(`      ${groups.length} entries in force after ${Math.round(performance.now() - began)} ms`);
    expect(podCalls, 'the proof creates no pod').to.equal(0);
  });

  for (const { what, pod, namespace, confined, untouched } of CASES) {
    it(`as the pure function: ${what}`, async () => {
      podCalls = 0;
      const made = await dryRun(pod, namespace);
      expect(made).to.deep.equal(baseline.get(what));
      const asked = untouched !== 'unmatched' && untouched !== 'Namespace';
      expect(podCalls > 0, 'whether the API server asked us').to.equal(asked);
      expect(profilesOf(made as Pod)).to.include(
        Object.fromEntries(Object.entries(confined).map(([name, rule]) => [name, `localhost/aa-${rule}`])),
      );
    });
  }

  describe('beside other webhooks', () => {
    before(async () => {
      for (const [name, path] of [
        ['aaa-pods-test', '/early'],
        ['zzzz-pods-test', '/late'],
      ] as const) {
        await configure(name, [
          {
            name: `${name}.example.test`,
            admissionReviewVersions: ['v1'],
            clientConfig: served.connect(path),
            rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
            namespaceSelector: { matchLabels: { [TABLE_LABEL]: 'yes' } },
            sideEffects: 'None',
          },
        ]);
      }
      for (const which of ['early', 'late'] as const) {
        await waitFor(`the ${which} webhook`, { deadlineMs: 10_000 }, async () => {
          set(which, [{ op: 'add', path: '/metadata/labels/seen', value: which }]);
          const made = (await dryRun(WEB, 'a')) as Pod;
          return made.metadata.labels?.['seen'] === which ? true : undefined;
        });
      }
    });

    afterEach(() => {
      early = [];
      late = [];
    });

    after(async () => {
      for (const which of ['early', 'late'] as const) {
        const name = which === 'early' ? 'aaa-pods-test' : 'zzzz-pods-test';
        await client.delete(CONFIGURATIONS, { name });
        await waitFor(`the end of the ${which} webhook`, { deadlineMs: 10_000 }, async () => {
          set(which, [{ op: 'add', path: '/metadata/labels/seen', value: which }]);
          const made = (await dryRun(WEB, 'a')) as Pod;
          return made.metadata.labels?.['seen'] === undefined ? true : undefined;
        });
      }
    });

    const sidecar = { op: 'add', path: '/spec/containers/-', value: { name: 'added', image: 'x' } } as const;

    it('confines what one before it adds', async () => {
      set('early', [sidecar]);
      expect(profilesOf((await dryRun(WEB, 'a')) as Pod)).to.deep.equal({
        one: 'localhost/aa-web',
        added: 'localhost/aa-web',
      });
    });

    it('is asked again for what one after it adds', async () => {
      set('late', [sidecar]);
      podCalls = 0;
      const made = (await dryRun(WEB, 'a')) as Pod;
      expect(profilesOf(made)).to.deep.equal({ one: 'localhost/aa-web', added: 'localhost/aa-web' });
      expect(podCalls).to.equal(2);
      expect(made.metadata.annotations?.['apparmor-operator.dev/confined-by']).to.equal(
        '{"web":{"revision":"rev-web","containers":["one","added"]}}',
      );
    });

    it('loses nothing to one after it that drops the field', async () => {
      set('late', [{ op: 'remove', path: '/spec/containers/0/securityContext/appArmorProfile' }]);
      expect(profilesOf((await dryRun(WEB, 'a')) as Pod)).to.deep.equal({ one: 'localhost/aa-web' });
    });

    it('is not asked for a label that one after it adds', async () => {
      set('late', [{ op: 'add', path: '/metadata/labels', value: { app: 'web' } }]);
      const made = (await dryRun({ ...WEB, metadata: { name: 'pod' } }, 'a')) as Pod;
      expect(made.metadata.labels).to.deep.equal({ app: 'web' });
      expect(profilesOf(made)).to.deep.equal({});
    });
  });

  describe('when no replica can answer', () => {
    it('refuses pods whose rule this replica does not know, and says whom to ask', async () => {
      const web = RULES.find(({ object }) => object.name === 'web');
      const empty = createPodHandler({
        ownNamespace: OWN,
        book: createRuleBook(),
        cachedLabels: () => undefined,
        readLabels: () => Promise.reject(new Error('not asked')),
        waitMs: 50,
        someNodeCannotEnforce: () => false,
        clock: systemClock,
      });
      expect(web).not.to.equal(undefined);
      const other = await serve(new Map([[POD_WEBHOOK_PATH, empty]]));
      const groups = book.groups();
      try {
        await reconfigure(groups, other);
        const message = await refusal('ask who runs the apparmor-operator');
        expect(message).to.contain('apparmor-operator').and.to.contain('Try again');
      } finally {
        await reconfigure(groups, served);
        await other.stop();
      }
    });

    it('while nothing answers, refuses the pods that a rule means, naming it, and no others', async () => {
      await served.stop();
      const message = await refusal('.pods.apparmor-operator.dev');
      const group = book.groups().find(({ rules }) => rules.some(({ object }) => object.name === 'web'));
      expect(message)
        .to.contain(entryName(group ?? { id: '' }))
        .and.to.contain('/apparmorprofiles/web');
      expect(profilesOf((await dryRun({ ...WEB, metadata: { name: 'pod' } }, 'a')) as Pod)).to.deep.equal({});
      expect(profilesOf((await dryRun(WEB, 'elsewhere')) as Pod)).to.deep.equal({});
      expect(profilesOf((await dryRun(WEB, 'disabled')) as Pod)).to.deep.equal({});
      expect(profilesOf((await dryRun(WEB, 'kube-system')) as Pod)).to.deep.equal({});
    });
  });

  function set(which: 'early' | 'late', patch: readonly JsonPatchOperation[]): void {
    early = which === 'early' ? patch : [];
    late = which === 'late' ? patch : [];
  }

  async function reconfigure(groups: ReturnType<typeof book.groups>, to: Served): Promise<void> {
    for (const name of POD_CONFIGURATIONS) {
      const { entries } = podEntries(name, groups, { ownNamespace: OWN, connect: (path) => to.connect(path) });
      if (entries.length > 0) await configure(name, entries);
    }
  }

  /** The API server takes up a change of the configuration within milliseconds. */
  async function refusal(part: string): Promise<string> {
    return waitFor(`a refusal with ${part}`, { deadlineMs: 10_000 }, async () => {
      try {
        await dryRun(WEB, 'a');
        return undefined;
      } catch (error) {
        return String(error).includes(part) ? String(error) : undefined;
      }
    });
  }
});

function doing(patch: () => readonly JsonPatchOperation[]): AdmissionHandler {
  return () => Promise.resolve({ allowed: true, patch: patch() });
}

const WEB: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'pod', labels: { app: 'web' } },
  spec: { containers: [{ name: 'one', image: 'x' }] },
};

function nameOf(namespace: TableNamespace): string {
  return namespace === 'kube-system' ? namespace : `pods-table-${namespace}`;
}

function patched(pod: Pod, namespace: Case['namespace']): object {
  const subject = readPod(pod);
  const where = { name: namespace, labels: NAMESPACE_LABELS[namespace] };
  return applyPatch(pod, patchFor(subject, decide(subject, where, RULES, OWN), RULES));
}

/** Without what is different at every creation. */
function normalised(pod: unknown): unknown {
  const text = JSON.stringify(pod).replaceAll(/kube-api-access-\w{5}/g, 'kube-api-access');
  const copy = JSON.parse(text) as { metadata: Record<string, unknown> };
  for (const key of ['uid', 'creationTimestamp', 'managedFields', 'resourceVersion']) delete copy.metadata[key];
  return copy;
}

/** By container, from the field; throws where the annotation says something else. */
function profilesOf(pod: Pod): Record<string, string> {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return Object.fromEntries(
    containers.flatMap(({ name, ...container }) => {
      const context = container['securityContext'] as { appArmorProfile?: { localhostProfile?: string } } | undefined;
      const profile = context?.appArmorProfile?.localhostProfile;
      return profile === undefined ? [] : [[name, `localhost/${profile}`]];
    }),
  );
}
