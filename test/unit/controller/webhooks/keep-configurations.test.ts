import { expect } from 'chai';
import { issueCertificate } from '../../../../src/admission/certificate/issue.ts';
import { checkCertificate, type StoredCertificate } from '../../../../src/admission/certificate/stored.ts';
import { VALIDATING_WEBHOOK_CONFIGURATIONS } from '../../../../src/kube/resource.ts';
import {
  createConfigurationsKeeper,
  type KeptConfiguration,
} from '../../../../src/controller/webhooks/keep-configurations.ts';
import { reviewEntries } from '../../../../src/controller/webhooks/review-webhook.ts';
import {
  caBundlesOf,
  clientConfig,
  namesOf,
  type WebhookConfiguration,
  type WebhookEntry,
} from '../../../../src/controller/webhooks/webhook-configuration.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import {
  alreadyExists,
  conflict,
  fakeClient,
  fakeLogger,
  fakeRecorder,
  forbidden,
  going,
  type Answers,
} from '../fake-client.ts';

const NAME = 'apparmor-operator-review';
const role = { metadata: { name: 'apparmor-operator-controller', uid: 'uid-role' } };
const since = new Date('2030-01-01T00:00:00Z');
const [one, two] = [0, 1].map(() => checkCertificate(issueCertificate(['webhook.svc'], since)));
const served: StoredCertificate = { kind: 'whole', state: { current: one!, previous: [], since } };
const base64 = (text: string): string => Buffer.from(text).toString('base64');

function world(answers: Answers = {}) {
  const clock = createManualClock();
  const events = fakeRecorder();
  const logger = fakeLogger();
  const state = {
    role: role as unknown,
    live: undefined as WebhookConfiguration | undefined,
    certificate: served,
    entries: reviewEntries as KeptConfiguration['entries'],
    version: 0,
    /** What this API server adds to every webhook. */
    defaults: {},
  };
  const stored = (_: unknown, body: unknown): WebhookConfiguration => {
    const object = structuredClone(body as WebhookConfiguration);
    const webhooks = (object.webhooks ?? []).map((entry) => ({ ...state.defaults, ...entry }));
    state.live = {
      metadata: { ...object.metadata, uid: 'uid-w', resourceVersion: `${(state.version += 1)}` },
      webhooks,
    };
    return state.live;
  };
  const client = fakeClient({ get: () => state.role, create: stored, update: stored, ...answers });
  const keeper = createConfigurationsKeeper({
    client,
    clock,
    events,
    logger,
    manager: 'we',
    target: { namespace: 'operator' },
    certificate: () => state.certificate,
    kept: new Map([
      [
        NAME,
        {
          resource: VALIDATING_WEBHOOK_CONFIGURATIONS,
          live: () => state.live,
          entries: (connect) => state.entries(connect),
        },
      ],
    ]),
  });
  const edit = (change: (webhook: WebhookEntry) => object, manager = 'kubectl-edit'): void => {
    const { metadata, webhooks = [] } = structuredClone(state.live)!;
    state.live = {
      metadata: { ...metadata, managedFields: [{ manager, time: '9' }] },
      webhooks: webhooks.map((webhook) => ({ ...webhook, ...change(webhook) })),
    };
  };
  const verbs = (): string[] => client.calls.map((call) => call.split(' ')[0] ?? '').filter((verb) => verb !== 'get');
  const notes = (): string[] => events.notices.map(({ type, reason, note }) => `${type} ${reason}: ${note}`);
  return { clock, events, logger, state, client, edit, verbs, notes, keep: (name = NAME) => keeper.keep(name, going) };
}

describe('createConfigurationsKeeper', () => {
  it('creates it as the issue says, and then leaves it alone', async () => {
    const { keep, state, verbs, notes, events } = world();
    await keep();
    await keep();
    expect(verbs()).to.deep.equal(['create']);
    expect(state.live?.metadata).to.deep.include({
      name: NAME,
      ownerReferences: [
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'ClusterRole',
          name: 'apparmor-operator-controller',
          uid: 'uid-role',
          controller: true,
          blockOwnerDeletion: false,
        },
      ],
    });
    expect(state.live?.webhooks).to.deep.equal([
      {
        name: 'review.apparmor-operator.dev',
        admissionReviewVersions: ['v1'],
        clientConfig: {
          service: {
            namespace: 'operator',
            name: 'apparmor-operator-webhook',
            path: '/review/apparmorprofiles',
            port: 443,
          },
          caBundle: base64(one!.authority),
        },
        rules: [
          {
            apiGroups: ['apparmor-operator.dev'],
            apiVersions: ['v1alpha1'],
            operations: ['CREATE', 'UPDATE', 'DELETE'],
            resources: ['apparmorprofiles'],
            scope: 'Cluster',
          },
        ],
        failurePolicy: 'Ignore',
        matchPolicy: 'Equivalent',
        namespaceSelector: {},
        objectSelector: {},
        sideEffects: 'None',
        timeoutSeconds: 10,
      },
    ]);
    expect(notes()).to.deep.equal(['Normal Created: created']);
    expect(events.notices[0]?.regarding).to.deep.equal({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      name: NAME,
      uid: 'uid-w',
    });
  });

  it('a new leader writes nothing if nothing differs', async () => {
    const first = world();
    await first.keep();
    const { keep, state, verbs } = world();
    state.live = first.state.live;
    await keep();
    expect(verbs()).to.deep.equal([]);
  });

  for (const [title, change, path] of [
    ['the failure policy', () => ({ failurePolicy: 'Fail' }), 'webhooks[review.apparmor-operator.dev].failurePolicy'],
    [
      'the CA bundle',
      ({ clientConfig }: WebhookEntry) => ({ clientConfig: { ...clientConfig, caBundle: base64('mine') } }),
      'webhooks[review.apparmor-operator.dev].clientConfig.caBundle',
    ],
    ['a selector', () => ({ objectSelector: { matchLabels: { a: 'b' } } }), 'objectSelector.matchLabels'],
  ] as const) {
    it(`puts ${title} right, and says whose edit it was`, async () => {
      const { keep, edit, state, verbs, notes } = world();
      await keep();
      const { webhooks } = state.live!;
      edit(change);
      await keep();
      expect(state.live?.webhooks).to.deep.equal(webhooks);
      expect(verbs()).to.deep.equal(['create', 'update']);
      expect(notes()[1]).to.match(/^Warning PutRight: put right, last changed by kubectl-edit: /);
      expect(notes()[1]).to.contain(path);
    });
  }

  it('waits longer and longer for one who insists', async () => {
    const { keep, edit, clock, verbs } = world();
    await keep();
    edit(() => ({ timeoutSeconds: 1 }));
    await keep();
    edit(() => ({ timeoutSeconds: 1 }));
    expect(await keep()).to.deep.equal({ requeueAfterMs: 250 });
    await clock.advance(250);
    await keep();
    expect(verbs()).to.deep.equal(['create', 'update', 'update']);
  });

  it('puts label and owner right, and leaves what others added', async () => {
    const { keep, state } = world();
    await keep();
    state.live!.metadata = { ...state.live!.metadata, labels: { theirs: '1' }, ownerReferences: [] };
    await keep();
    expect(state.live?.metadata.labels).to.include({ theirs: '1', 'app.kubernetes.io/component': 'webhook' });
    expect(state.live?.metadata.ownerReferences).to.have.length(1);
  });

  it('creates it again after it was deleted, and not while it is being deleted', async () => {
    const { keep, state, verbs } = world();
    await keep();
    state.live!.metadata.deletionTimestamp = 'now';
    await keep();
    expect(verbs()).to.deep.equal(['create']);
    state.live = undefined;
    await keep();
    expect(verbs()).to.deep.equal(['create', 'create']);
  });

  it('trusts the next authority as its own doing, before it is served', async () => {
    const { keep, state, notes } = world();
    await keep();
    state.certificate = { kind: 'whole', state: { current: one!, next: two!, previous: [], since } };
    await keep();
    expect(caBundlesOf(state.live)).to.deep.equal([one!.authority + two!.authority]);
    expect(notes()[1]).to.match(/^Normal Updated: changed with the operator: .*caBundle/);
  });

  it('creates nothing before a certificate is served, but tells one that is there', async () => {
    const { keep, state, verbs } = world();
    for (const certificate of [
      { kind: 'missing' },
      { kind: 'damaged', reason: 'x' },
      { kind: 'whole', state: { next: two!, previous: [one!.authority], since } },
    ] as const) {
      state.certificate = certificate;
      await keep();
    }
    expect(verbs()).to.deep.equal([]);
    state.certificate = served;
    await keep();
    state.certificate = { kind: 'whole', state: { next: two!, previous: [one!.authority], since } };
    await keep();
    expect(caBundlesOf(state.live)).to.deep.equal([two!.authority + one!.authority]);
    state.certificate = { kind: 'damaged', reason: 'x' };
    await keep();
    expect(verbs()).to.deep.equal(['create', 'update']);
  });

  it('is content with fields that a newer API server adds, and sees an edit all the same', async () => {
    const { keep, edit, state, verbs } = world();
    state.defaults = { brandNew: 'default' };
    await keep();
    await keep();
    expect(verbs()).to.deep.equal(['create']);
    edit(() => ({ timeoutSeconds: 3 }));
    await keep();
    expect(state.live?.webhooks?.[0]?.timeoutSeconds).to.equal(10);
    await keep();
    expect(verbs()).to.deep.equal(['create', 'update']);
  });

  it('without entries none is created, and one that is there is emptied', async () => {
    const { keep, state, verbs } = world();
    state.entries = () => [];
    await keep();
    expect(verbs()).to.deep.equal([]);
    state.entries = reviewEntries;
    await keep();
    state.entries = () => [];
    await keep();
    expect(state.live?.webhooks).to.deep.equal([]);
    expect(caBundlesOf(state.live)).to.deep.equal([]);
  });

  for (const [title, answer] of [
    ['is gone', forbidden],
    ['is being deleted', { metadata: { ...role.metadata, deletionTimestamp: 'x' } }],
  ] as const) {
    it(`creates nothing while its owner ${title}, and looks again`, async () => {
      const { keep, state, verbs } = world();
      state.role = answer;
      expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
      expect(verbs()).to.deep.equal([]);
    });
  }

  it('leaves it to the watch where somebody was faster', async () => {
    const first = world({ create: () => alreadyExists });
    await first.keep();
    const second = world({ update: () => conflict });
    await second.keep();
    second.edit(() => ({ timeoutSeconds: 1 }));
    await second.keep();
    expect([first.notes(), second.notes()]).to.deep.equal([[], ['Normal Created: created']]);
  });

  it('knows nothing of other configurations', async () => {
    const { keep, verbs } = world();
    expect(await keep('other')).to.equal(undefined);
    expect(verbs()).to.deep.equal([]);
  });
});

describe('clientConfig and namesOf', () => {
  it('by the Service', () => {
    expect(namesOf({ namespace: 'ns' })).to.deep.equal([
      'apparmor-operator-webhook.ns.svc',
      'apparmor-operator-webhook.ns.svc.cluster.local',
    ]);
  });

  it('by a URL', () => {
    expect(clientConfig({ namespace: 'ns', url: 'https://[::1]:9443/base' }, '/review', ['ca'])).to.deep.equal({
      url: 'https://[::1]:9443/base/review',
      caBundle: base64('ca'),
    });
    expect(namesOf({ namespace: 'ns', url: 'https://[::1]:9443' })[0]).to.equal('::1');
    expect(namesOf({ namespace: 'ns', url: 'https://host.example:9443' })[0]).to.equal('host.example');
  });
});
