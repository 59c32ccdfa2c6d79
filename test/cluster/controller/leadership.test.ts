import { expect } from 'chai';
import { waitFor } from '../../testbed/process.ts';
import { applyProfile, leader, profileWhen } from './operator.ts';
import { policy, withController } from './running.ts';

describe('controller: leadership', function () {
  this.timeout(90_000);
  const running = withController();

  it('goes over when the leader stops, and when it dies, and everything is kept right on', async () => {
    const client = running.client();
    expect(await leader(client)).to.equal('controller-one');
    const two = await running.operator().startController('controller-two');
    const published = async (): Promise<void> => {
      const name = running.newName('led');
      await applyProfile(client, name, { policy: policy(name) });
      await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    };
    const leads = (identity: string, deadlineMs: number) =>
      waitFor(`${identity} to lead`, { deadlineMs }, async () => (await leader(client)) === identity);

    const one = running.controller();
    await one.stop();
    expect(await one.process.exited).to.deep.equal({ code: 0, signal: null });
    await leads('controller-two', 8000);
    await published();

    await running.operator().startController('controller-one');
    expect(await leader(client)).to.equal('controller-two');
    await two.kill();
    await leads('controller-one', 30_000);
    await published();
  });
});
