import { expect } from 'chai';
import { issueCertificate } from '../../../../src/admission/certificate/issue.ts';
import { RETIRED_MS, STAGED_MS } from '../../../../src/admission/certificate/plan.ts';
import {
  authoritiesOf,
  checkCertificate,
  readCertificate,
  SINCE_ANNOTATION,
  writeCertificate,
  type CertificateState,
} from '../../../../src/admission/certificate/stored.ts';
import { createCertificateKeeper, type WebhookSecret } from '../../../../src/controller/webhooks/keep-certificate.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import { alreadyExists, conflict, fakeClient, fakeLogger, going, notFound, type Answers } from '../fake-client.ts';

const DAY = 24 * 3_600_000;
const role = { metadata: { name: 'apparmor-operator-controller', uid: 'uid-role' } };

function world(answers: Answers = {}) {
  const clock = createManualClock();
  const logger = fakeLogger();
  const state = {
    role: role as unknown,
    live: undefined as WebhookSecret | undefined,
    bundles: [] as string[],
    version: 0,
    names: ['webhook.svc'],
  };
  const stored = (_: unknown, body: unknown): WebhookSecret => {
    const secret = structuredClone(body as WebhookSecret);
    state.live = {
      ...secret,
      metadata: { ...secret.metadata, uid: 'uid-s', resourceVersion: `${(state.version += 1)}` },
    };
    return state.live;
  };
  const client = fakeClient({ get: () => state.role, create: stored, update: stored, ...answers });
  const keeper = createCertificateKeeper({
    client,
    clock,
    logger,
    namespace: 'operator',
    names: state.names,
    live: () => state.live,
    caBundles: () => state.bundles,
  });
  const whole = (): CertificateState => {
    const read = readCertificate(state.live);
    if (read.kind !== 'whole') throw new Error(JSON.stringify(read));
    return read.state;
  };
  /** As the keeper of the webhook configurations does. */
  const publish = (): void => void (state.bundles = [authoritiesOf(whole()).join('')]);
  const verbs = (): string[] => client.calls.map((call) => call.split(' ')[0] ?? '').filter((verb) => verb !== 'get');
  return { clock, logger, state, client, whole, publish, verbs, keep: () => keeper.keep('', going) };
}

describe('createCertificateKeeper', () => {
  it('makes it, owned by the ClusterRole, and then leaves it alone until it is to be rotated', async () => {
    const { keep, state, verbs, logger, whole } = world();
    await keep();
    expect(await keep()).to.deep.equal({ requeueAfterMs: DAY / 2 });
    expect(verbs()).to.deep.equal(['create']);
    expect(state.live?.metadata.ownerReferences?.[0]).to.include({ kind: 'ClusterRole', uid: 'uid-role' });
    expect(state.live).to.include({ type: 'Opaque' });
    expect(whole().current?.leaf.checkHost('webhook.svc')).to.equal('webhook.svc');
    expect(logger.lines).to.deep.equal(['info the webhook certificate was made anew: there is none']);
  });

  it('rotates: the next authority is trusted first, then served, then the old one is trusted no more', async () => {
    const { keep, clock, publish, verbs, whole, logger } = world();
    await keep();
    publish();
    const first = whole().current!;
    await clock.advance(60 * DAY);
    await keep();
    const next = whole().next!;
    expect(whole().current?.certificate).to.equal(first.certificate);
    publish();
    expect(await keep()).to.deep.equal({ requeueAfterMs: STAGED_MS });
    await clock.advance(STAGED_MS);
    expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
    await clock.advance(10_000);
    await keep();
    expect(whole().current?.certificate).to.equal(next.certificate);
    expect(authoritiesOf(whole())).to.deep.equal([next.authority, first.authority]);
    publish();
    expect(await keep()).to.deep.equal({ requeueAfterMs: RETIRED_MS });
    await clock.advance(RETIRED_MS);
    await keep();
    expect(authoritiesOf(whole())).to.deep.equal([next.authority]);
    expect(verbs()).to.deep.equal(['create', 'update', 'update', 'update']);
    expect(logger.lines.slice(1)).to.deep.equal([
      'info the webhook certificate is rotated: the next one is made, and its authority trusted from now on',
      'info the webhook certificate is rotated: the next one is served from now on',
      'info the webhook certificate is rotated: the authority of the last one is trusted no more',
    ]);
  });

  it('serves nothing under an authority that the API server was not told to trust', async () => {
    const { keep, clock, publish, state, verbs, whole } = world();
    await keep();
    publish();
    await clock.advance(60 * DAY);
    await keep();
    await clock.advance(20 * DAY);
    for (let look = 0; look < 5; look++) {
      expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
      await clock.advance(10_000);
    }
    publish();
    expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
    await clock.advance(9000);
    expect(await keep()).to.deep.equal({ requeueAfterMs: 1000 });
    // Somebody takes it out again: told, it has to be from the beginning.
    const told = state.bundles;
    state.bundles = [whole().current!.authority];
    expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
    state.bundles = told;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
    expect(verbs()).to.deep.equal(['create', 'update']);
    await clock.advance(10_000);
    await keep();
    expect(verbs()).to.deep.equal(['create', 'update', 'update']);
  });

  for (const [title, damage, reason] of [
    ['deleted', () => undefined, 'there is none'],
    [
      'damaged',
      (secret: WebhookSecret) => ({ ...secret, data: { ...secret.data, 'tls.key': 'AAAA' } }),
      'ca.crt, tls.crt, tls.key: the key cannot be read',
    ],
    [
      'edited',
      (secret: WebhookSecret) => ({ ...secret, data: { ...secret.data, 'ca.crt': secret.data?.['tls.crt'] ?? '' } }),
      'ca.crt, tls.crt, tls.key: the authority is none',
    ],
    [
      'without its annotation',
      (secret: WebhookSecret) => ({ ...secret, metadata: { ...secret.metadata, annotations: {} } }),
      `its annotation ${SINCE_ANNOTATION} is not a time`,
    ],
  ] as const) {
    it(`${title}: made anew and said, trusted before it is served, and nothing secret is logged`, async () => {
      const { keep, clock, publish, state, whole, logger } = world();
      await keep();
      publish();
      const first = whole().current!;
      state.live = damage(state.live!);
      await keep();
      expect(whole().current).to.equal(undefined);
      expect(whole().previous).to.deep.equal([first.authority]);
      expect(logger.lines.at(-1))
        .to.match(/^(info|warn) the webhook certificate was made anew: /)
        .and.to.contain(reason);
      publish();
      expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
      await clock.advance(10_000);
      await keep();
      expect(whole().current?.certificate).to.be.a('string').and.not.equal(first.certificate);
      expect(logger.lines.join('\n')).not.to.match(/PRIVATE KEY|BEGIN/);
    });
  }

  it('where no webhook is configured yet, a new one is served at once', async () => {
    const { keep, state, whole } = world();
    await keep();
    state.live = undefined;
    await keep();
    expect(whole().current).not.to.equal(undefined);
  });

  it('puts a lost owner right, and keeps what others put there', async () => {
    const { keep, state, verbs, whole } = world();
    await keep();
    const { certificate } = whole().current!;
    state.live!.metadata = { ...state.live!.metadata, ownerReferences: [], labels: { theirs: '1' } };
    await keep();
    expect(verbs()).to.deep.equal(['create', 'update']);
    expect(state.live?.metadata.ownerReferences).to.have.length(1);
    expect(state.live?.metadata.labels).to.include({ theirs: '1', 'app.kubernetes.io/component': 'webhook' });
    expect(whole().current?.certificate).to.equal(certificate);
  });

  it('sends the resourceVersion that it saw', async () => {
    const { keep, clock, client } = world();
    await keep();
    await clock.advance(60 * DAY);
    await keep();
    expect((client.bodies.at(-1) as WebhookSecret).metadata.resourceVersion).to.equal('1');
  });

  it('makes nothing while its owner is gone, and leaves one alone that is being deleted', async () => {
    const { keep, state, verbs } = world();
    state.role = notFound;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
    state.role = role;
    state.live = { metadata: { name: 'apparmor-operator-webhook', deletionTimestamp: 'now' } };
    await keep();
    expect(verbs()).to.deep.equal([]);
  });

  it('leaves it to the watch where somebody was faster, and says nothing', async () => {
    const first = world({ create: () => alreadyExists });
    await first.keep();
    const second = world({ update: () => conflict });
    const pair = checkCertificate(issueCertificate(['webhook.svc'], new Date(second.clock.now() - 70 * DAY)));
    const written = writeCertificate({ current: pair, previous: [], since: new Date(second.clock.now() - 70 * DAY) });
    second.state.live = {
      ...written,
      metadata: { ...written.metadata, name: 'apparmor-operator-webhook', resourceVersion: '7' },
    };
    await second.keep();
    expect([first.logger.lines, second.logger.lines]).to.deep.equal([[], []]);
    expect([first.verbs(), second.verbs()]).to.deep.equal([['create'], ['update']]);
  });
});
