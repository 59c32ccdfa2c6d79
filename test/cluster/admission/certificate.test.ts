import { expect } from 'chai';
import { OWNER_CLUSTER_ROLE, WEBHOOK_SECRET } from '../../../src/api/names.ts';
import { CLUSTER_ROLES, SECRETS } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { NAMESPACE } from '../api/installation.ts';
import { withController } from '../controller/running.ts';
import { DAY, getSecret, plantCertificate, servedSerial, stateWhen } from './webhook.ts';

describe('admission: the certificate', function () {
  this.timeout(90_000);
  const running = withController();
  const key = { namespace: NAMESPACE, name: WEBHOOK_SECRET };
  const current = () => stateWhen(running.client(), 'served', ({ current }) => current !== undefined);

  /** Waits until a controller serves what the Secret holds. */
  async function served(port: number): Promise<string> {
    const { current: pair } = await current();
    return waitFor('the certificate to be served', { deadlineMs: 15_000 }, async () => {
      const serial = await servedSerial(port, pair?.authority ?? '');
      return serial === pair?.leaf.serialNumber ? serial : undefined;
    });
  }

  it('is made with the controller’s rights, owned by the ClusterRole, and served', async () => {
    await current();
    const { metadata } = await getSecret(running.client());
    const role = await running.client().get<{ metadata: { uid: string } }>(CLUSTER_ROLES, { name: OWNER_CLUSTER_ROLE });
    expect(metadata.ownerReferences).to.have.length(1);
    expect(metadata.ownerReferences?.[0]).to.deep.include({ kind: 'ClusterRole', uid: role.metadata.uid });
    await served(running.controller().webhookPort);
  });

  it('is served by a replica that does not lead, too', async () => {
    const second = await running.operator().startController('controller-two');
    try {
      expect(await served(second.webhookPort)).to.equal(await served(running.controller().webhookPort));
      expect(second.log()).not.to.contain('"leading"');
    } finally {
      await second.stop();
    }
  });

  it('deleted, it is made anew', async () => {
    const before = (await current()).current?.leaf.serialNumber;
    await running.client().delete(SECRETS, key);
    const state = await stateWhen(running.client(), 'another', ({ current: pair }) => {
      return pair !== undefined && pair.leaf.serialNumber !== before;
    });
    expect(await served(running.controller().webhookPort)).to.equal(state.current?.leaf.serialNumber);
  });

  it('damaged by hand, it is made anew and that is said, without a key', async () => {
    const before = (await current()).current?.leaf.serialNumber;
    await running.client().mergePatch(SECRETS, key, { data: { 'tls.key': 'AAAA' } });
    await stateWhen(running.client(), 'another', ({ current: pair }) => {
      return pair !== undefined && pair.leaf.serialNumber !== before;
    });
    await served(running.controller().webhookPort);
    await waitFor('the log', { deadlineMs: 10_000 }, () =>
      running
        .controller()
        .log()
        .includes('the webhook certificate was made anew: ca.crt, tls.crt, tls.key: the key cannot be read'),
    );
    expect(running.controller().log()).not.to.match(/PRIVATE KEY|BEGIN CERT/);
  });

  it('that is over is replaced', async () => {
    const old = await plantCertificate(running.client(), 91 * DAY);
    await stateWhen(running.client(), 'another', ({ current: pair }) => {
      return pair !== undefined && pair.leaf.serialNumber !== old.leaf.serialNumber;
    });
    await served(running.controller().webhookPort);
  });
});
