import { expect } from 'chai';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { waitFor } from '../../testbed/process.ts';
import {
  applyProfile,
  getProfile,
  ignoreNotFound,
  profileWhen,
  revisionsOf,
  startOperator,
  uniqueName,
  type TestOperator,
} from '../controller/operator.ts';
import { policy } from '../controller/running.ts';
import { createProfile, patchProfile } from './review-call.ts';

/** Objects that were stored while nobody reviewed them: the webhook is to tell early, the controller decides. */
describe('admission: what no webhook saw', function () {
  this.timeout(120_000);
  const [bad, broken, owner, other] = ['late-bad', 'late-broken', 'late-owner', 'late-other'].map(uniqueName) as [
    string,
    string,
    string,
    string,
  ];
  let operator: TestOperator;

  before('store objects, then start a controller', async () => {
    operator = await startOperator();
    const { client } = operator;
    await applyProfile(client, bad, { policy: 'profile unconfined { file, }\n' });
    await applyProfile(client, broken, { policy: `profile ${broken} {\n  file,\n  @{NOT_DECLARED} r,\n}\n` });
    const { metadata } = await applyProfile(client, owner, { policy: policy('late-shared') });
    // The owner is the older by creation time, which has whole seconds.
    await waitFor(
      'another second',
      { deadlineMs: 5000 },
      () => Date.now() >= Date.parse(metadata.creationTimestamp) + 1000,
    );
    await applyProfile(client, other, { policy: policy('late-shared') });
    await operator.startController('controller-one');
  });

  after('stop the controller', async () => {
    for (const name of [bad, broken, owner, other]) {
      await ignoreNotFound(operator.client.delete(APPARMOR_PROFILE, { name }));
    }
    await operator.stop();
  });

  it('what the rules refuse is not published', async () => {
    const { metadata, status } = await profileWhen(
      operator.client,
      bad,
      'refused',
      (_, ready) => ready === 'False/PolicyRefused',
    );
    expect(status?.conditions?.find(({ type }) => type === 'Stalled')?.message).to.contain('(rule reserved-name)');
    expect(await revisionsOf(operator.client, metadata.uid)).to.deep.equal([]);
  });

  it('what does not compile is not published, with the parser’s message and line', async () => {
    const { metadata, status } = await profileWhen(
      operator.client,
      broken,
      'refused',
      (_, ready) => ready === 'False/PolicyRefused',
    );
    const stalled = status?.conditions?.find(({ type }) => type === 'Stalled');
    expect(stalled?.message).to.match(/^line 3: .*NOT_DECLARED.* \(rule compile-failed\); .*nothing is published$/);
    expect(status?.failures?.[0]).to.deep.include({ reason: 'PolicyRefused', line: 3 });
    expect(await revisionsOf(operator.client, metadata.uid)).to.deep.equal([]);
  });

  it('corrected, it is published', async () => {
    await patchProfile(broken, { spec: { policy: policy(broken) } });
    const { status } = await profileWhen(
      operator.client,
      broken,
      'published',
      (profile) => profile.status?.revision !== undefined,
    );
    expect(status?.conditions?.map(({ type }) => type)).not.to.include('Stalled');
  });

  it('of two that define a name the younger is in Conflict, and published when the older goes', async () => {
    const { client } = operator;
    await profileWhen(client, owner, 'published', ({ status }) => status?.revision !== undefined);
    const { metadata, status } = await profileWhen(
      client,
      other,
      'in conflict',
      (_, ready) => ready === 'False/Conflict',
    );
    const stalled = status?.conditions?.find(({ type }) => type === 'Stalled');
    expect(stalled?.message).to.contain(`the profile late-shared belongs to AppArmorProfile ${owner}; rename`);
    expect(await revisionsOf(client, metadata.uid)).to.deep.equal([]);
    await client.delete(APPARMOR_PROFILE, { name: owner });
    const healed = await profileWhen(client, other, 'published', (profile) => profile.status?.revision !== undefined);
    expect(healed.status?.conditions?.map(({ type }) => type)).not.to.include('Stalled');
  });

  it('a stored object that is refused takes labels and finalizers, but no other bad spec', async () => {
    await waitFor('the review to be called', { deadlineMs: 30_000 }, async () => {
      const { status } = await createProfile('late-dry', { policy: '# nothing' }, '?dryRun=All');
      return status === 422;
    });
    const metadata = { labels: { a: 'b' }, finalizers: ['example.com/late'] };
    expect(await patchProfile(bad, { metadata })).to.deep.include({ status: 200 });
    expect(await patchProfile(bad, { spec: { mode: 'Complain' } })).to.deep.include({ status: 422 });
    await operator.client.delete(APPARMOR_PROFILE, { name: bad });
    expect(await patchProfile(bad, { metadata: { finalizers: null } })).to.deep.include({ status: 200 });
    await waitFor('it to be gone', { deadlineMs: 10_000 }, async () => {
      const gone = await getProfile(operator.client, bad).catch(() => undefined);
      return gone === undefined;
    });
  });
});
