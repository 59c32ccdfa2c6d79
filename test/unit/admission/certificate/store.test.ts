import { expect } from 'chai';
import { issueCertificate } from '../../../../src/admission/certificate/issue.ts';
import { createCertificateStore } from '../../../../src/admission/certificate/store.ts';
import { checkCertificate, LIFE_MS, writeCertificate } from '../../../../src/admission/certificate/stored.ts';
import { fakeLogger } from '../../controller/fake-client.ts';
import { createManualClock } from '../../kube/manual-clock.ts';

function world() {
  const clock = createManualClock();
  const logger = fakeLogger();
  const store = createCertificateStore({ secret: 'operator/webhook', clock, logger });
  const issue = () => checkCertificate(issueCertificate(['webhook.svc'], clock.date()));
  const heard = { serving: 0, stored: 0 };
  const forget = [store.onChange(() => (heard.serving += 1)), store.onStored(() => (heard.stored += 1))];
  return { clock, logger, store, issue, heard, forget };
}

describe('createCertificateStore', () => {
  it('says what is missing until there is one, and serves that', () => {
    const { store, issue, clock, heard } = world();
    expect(store.problem()).to.equal(
      'no certificate to serve webhooks with: Secret operator/webhook, which the leader makes, is not there',
    );
    const pair = issue();
    store.changed(writeCertificate({ current: pair, previous: [], since: clock.date() }));
    expect(store.problem()).to.equal(undefined);
    expect(store.current()?.certificate).to.equal(pair.certificate);
    expect(heard).to.deep.equal({ serving: 1, stored: 1 });
  });

  it('serves the last whole one on while the Secret is damaged or gone, and says so without its key', () => {
    const { store, issue, clock, logger, heard } = world();
    const pair = issue();
    const secret = writeCertificate({ current: pair, previous: [], since: clock.date() });
    store.changed(secret);
    store.changed({ ...secret, data: { ...secret.data, 'tls.crt': '' } });
    expect(store.stored().kind).to.equal('damaged');
    store.changed(undefined);
    expect([store.stored().kind, store.problem()]).to.deep.equal(['missing', undefined]);
    expect(store.current()?.key).to.equal(pair.key);
    expect(heard).to.deep.equal({ serving: 1, stored: 3 });
    expect(logger.lines).to.deep.equal([
      'info serves webhooks with another certificate',
      'warn Secret operator/webhook is damaged: ca.crt, tls.crt, tls.key: tls.crt is not one certificate',
    ]);
  });

  it('serves the next one not before it is the current one', () => {
    const { store, issue, clock, heard } = world();
    const [next, since] = [issue(), clock.date()];
    store.changed(writeCertificate({ next, previous: [], since }));
    expect(store.problem()).to.match(/is served as soon as the API server was told to trust it$/);
    store.changed(writeCertificate({ current: next, previous: [], since }));
    expect([store.problem(), heard.serving]).to.deep.equal([undefined, 1]);
  });

  it('is not well with a damaged first Secret, or with one that is over', async () => {
    const { store, issue, clock } = world();
    store.changed({ metadata: {} });
    expect(store.problem()).to.match(/which the leader will make anew, is damaged: its annotation/);
    store.changed(writeCertificate({ current: issue(), previous: [], since: clock.date() }));
    await clock.advance(LIFE_MS);
    expect(store.problem()).to.match(/^the webhook certificate ended at .*: the leader has to replace Secret/);
  });

  it('forgets who no longer listens', () => {
    const { store, issue, clock, heard, forget } = world();
    forget.forEach((each) => each());
    store.changed(writeCertificate({ current: issue(), previous: [], since: clock.date() }));
    expect(heard).to.deep.equal({ serving: 0, stored: 0 });
  });
});
