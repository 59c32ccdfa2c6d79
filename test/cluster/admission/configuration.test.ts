import { expect } from 'chai';
import { authoritiesOf } from '../../../src/admission/certificate/stored.ts';
import { OWNER_CLUSTER_ROLE, REVIEW_WEBHOOK } from '../../../src/api/names.ts';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { caBundlesOf } from '../../../src/controller/webhooks/webhook-configuration.ts';
import { collectionPath, CLUSTER_ROLES, VALIDATING_WEBHOOK_CONFIGURATIONS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { administrator, creation, kubectl, profile, type Caller } from '../api/installation.ts';
import { eventWhen } from '../controller/operator.ts';
import { policy, withController } from '../controller/running.ts';
import { ageStep, DAY, getConfiguration, plantCertificate, servedSerial, stateWhen, trusted } from './webhook.ts';

const PROFILES = collectionPath(APPARMOR_PROFILE);

/** A dry run of a create that the review refuses and the API server alone would not. */
const BAD = creation(PROFILES, profile('configuration-bad', { policy: '# no profile in it\n' }), { dryRun: 'All' });

describe('admission: the webhook configuration', function () {
  this.timeout(120_000);
  const running = withController();
  let admin: Caller;
  before(() => {
    admin = administrator();
  });
  after(() => admin.close());

  const get = () => getConfiguration(running.client());
  const current = () => stateWhen(running.client(), 'served', ({ current }) => current !== undefined);
  const refused = () => waitFor('the API server to call the review', { deadlineMs: 15_000 }, () => admin.refused(BAD));
  const putRight = (what: string, fits: (failurePolicy: string, timeout: number) => boolean) =>
    waitFor(what, { deadlineMs: 20_000 }, async () => {
      const [webhook] = (await get()).webhooks ?? [];
      return webhook !== undefined && fits(webhook.failurePolicy, webhook.timeoutSeconds);
    });

  it('is created with the CA bundle and the owner, and passes the API server unchanged', async () => {
    const url = `https://127.0.0.1:${running.controller().webhookPort}/review/apparmorprofiles`;
    const state = await current();
    // An earlier test file may have left a configuration, for its own controller, and an authority that is still trusted.
    const configuration = await waitFor('the configuration', { deadlineMs: 20_000 }, async () => {
      const live = await get();
      const connection = live.webhooks?.[0]?.clientConfig;
      return connection !== undefined && 'url' in connection && connection.url === url ? live : undefined;
    });
    expect(caBundlesOf(configuration)).to.deep.equal([authoritiesOf(state).join('')]);
    const role = await running.client().get<{ metadata: { uid: string } }>(CLUSTER_ROLES, { name: OWNER_CLUSTER_ROLE });
    expect(configuration.metadata.ownerReferences?.[0]).to.deep.include({
      kind: 'ClusterRole',
      uid: role.metadata.uid,
    });
    expect(configuration.webhooks).to.have.length(1);
    const { clientConfig: _, ...webhook } = configuration.webhooks?.[0] ?? {};
    expect(webhook).to.deep.equal({
      name: 'review.apparmor-operator.dev',
      admissionReviewVersions: ['v1'],
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
    });
  });

  it('the API server calls it: a bad policy is refused at apply, a good one is not', async () => {
    expect(await refused()).to.contain(`admission webhook "review.apparmor-operator.dev" denied the request`);
    const good = profile('configuration-good', { policy: policy('configuration-good') });
    await admin.ask(creation(PROFILES, good, { dryRun: 'All' }));
  });

  it('an edit is undone, and said', async () => {
    const path = '/webhooks/0/failurePolicy';
    await kubectl([
      'patch',
      'validatingwebhookconfiguration',
      REVIEW_WEBHOOK,
      '--type=json',
      '-p',
      JSON.stringify([{ op: 'replace', path, value: 'Fail' }]),
    ]);
    await putRight('the failure policy', (failurePolicy) => failurePolicy === 'Ignore');
    const event = await eventWhen(
      running.client(),
      REVIEW_WEBHOOK,
      'PutRight',
      /failurePolicy \(had been set to "Fail"/,
    );
    expect(event.note).to.contain('kubectl-patch');
    expect(event.type).to.equal('Warning');
  });

  it('deleted, it is made again', async () => {
    const before = await get();
    await running.client().delete(VALIDATING_WEBHOOK_CONFIGURATIONS, { name: REVIEW_WEBHOOK });
    await waitFor('another', { deadlineMs: 20_000 }, async () => (await get()).metadata.uid !== before.metadata.uid);
    await refused();
  });

  it('a rotation drops no call', async () => {
    const client = running.client();
    const old = await plantCertificate(client, 61 * DAY);
    const { next } = await stateWhen(client, 'the next one', (state) => state.next !== undefined);
    await trusted(client, [old.authority, next?.authority ?? '']);
    await refused();

    const stop = new AbortController();
    const outcomes = new Map<string, number>();
    const steadily = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        // A call that fails is ignored, and the dry run goes through: then it was not refused.
        const outcome = await admin
          .refused(BAD)
          .then((message) => (message.includes('denied the request') ? 'refused' : message), String);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    };
    const callers = [steadily(), steadily(), steadily()];
    const more = async (): Promise<void> => {
      const enough = (outcomes.get('refused') ?? 0) + 50;
      await waitFor('more calls', { deadlineMs: 30_000 }, () => (outcomes.get('refused') ?? 0) >= enough);
    };
    try {
      const { webhookPort } = running.controller();
      await more();
      expect(await servedSerial(webhookPort, old.authority)).to.equal(old.leaf.serialNumber);
      await ageStep(client, 31 * 60_000);
      await stateWhen(client, 'promoted', ({ current }) => current?.certificate === next?.certificate);
      await trusted(client, [old.authority, next?.authority ?? '']);
      await more();
      expect(await servedSerial(webhookPort, next?.authority ?? '')).to.equal(next?.leaf.serialNumber);
      await ageStep(client, 61 * 60_000);
      await trusted(client, [next?.authority ?? '']);
      await more();
    } finally {
      stop.abort();
      await Promise.all(callers);
    }
    expect([...outcomes.keys()]).to.deep.equal(['refused']);
    console.log(`      ${outcomes.get('refused')} calls during the rotation, none failed`);
  });

  it('with the operator gone an apply still works, at once', async () => {
    await refused();
    await running.controller().stop();
    const began = performance.now();
    await admin.ask(BAD);
    expect(performance.now() - began).to.be.below(5000);
    expect((await get()).webhooks).to.have.length(1);
  });
});
