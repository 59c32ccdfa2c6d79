import { expect } from 'chai';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { applyProfile, eventWhen, getProfile, profileWhen, readyOf, report, rowWhen, uniqueName } from './operator.ts';
import { policy, withController } from './running.ts';

describe('controller: status', function () {
  this.timeout(90_000);
  const running = withController();

  const nodes = [uniqueName('a'), uniqueName('b')] as const;
  const [a, b] = nodes;

  before(async () => {
    for (const name of nodes) await running.operator().createNode(name, { pool: 'status' });
    for (const name of nodes) await rowWhen(running.client(), name);
  });

  it('follows the nodes from nothing through a failure to Ready, and says each time why', async () => {
    const client = running.client();
    const name = running.newName('status');
    await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'status' } });
    const begun = await profileWhen(client, name, 'begun', (_, ready) => ready === 'False/Progressing');
    expect(begun.status).to.deep.include({ nodesLoaded: '0/2', mode: 'Enforce', profiles: [name] });
    expect(begun.status?.conditions?.[1]).to.deep.include({ type: 'Reconciling', status: 'True' });
    const revision = begun.status?.revision ?? '';

    await report(client, a, { loaded: { [name]: revision } });
    await profileWhen(client, name, 'half way', ({ status }) => status?.nodesLoaded === '1/2');

    const problem = {
      object: name,
      profile: name,
      revision,
      state: 'Failed',
      reason: 'CompileFailed',
      message: 'syntax error',
      line: 2,
    } as const;
    await report(client, b, { problems: [problem] });
    const failed = await profileWhen(client, name, 'failed', (_, ready) => ready === 'False/NodesFailed');
    expect(failed.status?.failures).to.deep.equal([
      { reason: 'CompileFailed', message: 'syntax error', line: 2, nodes: 1, example: b },
    ]);
    expect(failed.status?.conditions?.[1]).to.deep.include({ type: 'Stalled', status: 'True' });
    await eventWhen(client, name, 'LoadFailed', new RegExp(`${b}: CompileFailed, line 2: syntax error`));

    await report(client, b, { loaded: { [name]: revision } });
    const ready = await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
    expect(ready.status).to.deep.include({
      nodesLoaded: '2/2',
      nodes: { desired: 2, loaded: 2, pending: 0, failed: 0, conflict: 0, unreachable: 0, unsupported: 0 },
    });
    expect(ready.status).not.to.have.property('failures');
    expect(ready.status?.conditions?.map(({ type }) => type)).to.deep.equal(['Ready']);
    await eventWhen(client, name, 'Ready', /loaded on 2 of 2 nodes/);
  });

  it('a joining node, a restarted one, a silent one and one without AppArmor are counted, and do not hold it back', async () => {
    const client = running.client();
    const name = running.newName('counted');
    await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'counted' } });
    const none = await profileWhen(client, name, 'without nodes', (_, ready) => ready === 'False/NoMatchingNode');
    await eventWhen(client, name, 'NoMatchingNode', /pool=counted/);
    const revision = none.status?.revision ?? '';
    const [holder, silent, unable] = [uniqueName('holder'), uniqueName('silent'), uniqueName('unable')];
    for (const node of [holder, silent, unable]) await running.operator().createNode(node, { pool: 'counted' });
    for (const node of [holder, silent, unable]) await rowWhen(client, node);
    await report(client, holder, { loaded: { [name]: revision } });
    await report(client, unable, { enforcing: false, reason: 'AppArmorDisabled', message: 'off' });
    await report(client, silent, { bootID: 'an earlier boot', loaded: { [name]: revision } });
    await profileWhen(client, name, 'waiting for the restarted one', ({ status }) => status?.nodesLoaded === '1/2');

    await running.operator().makeNotReady(silent);
    const ready = await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
    expect(ready.status?.nodes).to.deep.include({ desired: 3, loaded: 1, unreachable: 1, unsupported: 1 });
    expect(ready.status?.conditions?.[0]?.message).to.contain('1 AppArmorDisabled, 1 NodeNotReady');

    const joining = uniqueName('joining');
    await running.operator().createNode(joining, { pool: 'counted' });
    const joined = await profileWhen(client, name, 'joined', ({ status }) => status?.nodes?.desired === 4);
    expect(readyOf(joined)).to.equal('True/Loaded');
    expect(joined.status?.conditions?.[0]?.lastTransitionTime).to.equal(
      ready.status?.conditions?.[0]?.lastTransitionTime,
    );
  });

  it('is put right when somebody writes it, and not written when nothing changed', async () => {
    const client = running.client();
    const name = running.newName('written');
    await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'nowhere' } });
    await profileWhen(client, name, 'settled', (_, ready) => ready === 'False/NoMatchingNode');
    await client.mergePatch(APPARMOR_PROFILE, { name }, { status: { nodesLoaded: '9/9' } }, { subresource: 'status' });
    await profileWhen(client, name, 'put right', ({ status }) => status?.nodesLoaded === '0/0');
    const { metadata } = await getProfile(client, name);
    await report(client, a, { loaded: { other: 'x' } });
    const other = running.newName('other');
    await applyProfile(client, other, { policy: policy(other) });
    await profileWhen(client, other, 'published', ({ status }) => status?.revision !== undefined);
    expect((await getProfile(client, name)).metadata.resourceVersion).to.equal(metadata.resourceVersion);
  });

  it('a re-created object begins anew', async () => {
    const client = running.client();
    const name = running.newName('anew');
    const first = await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'status' } });
    const before = await profileWhen(client, name, 'begun', (_, ready) => ready === 'False/Progressing');
    for (const node of nodes) await report(client, node, { loaded: { [name]: before.status?.revision ?? '' } });
    await profileWhen(client, name, 'ready', (_, ready) => ready === 'True/Loaded');
    await client.delete(APPARMOR_PROFILE, { name });
    const second = await applyProfile(client, name, { policy: policy(name), nodeSelector: { pool: 'status' } });
    expect(second.metadata.uid).not.to.equal(first.metadata.uid);
    const after = await profileWhen(client, name, 'begun anew', (_, ready) => ready === 'False/Progressing');
    expect(after.status?.revision).not.to.equal(before.status?.revision);
    expect(after.status?.nodesLoaded).to.equal('0/2');
  });
});
