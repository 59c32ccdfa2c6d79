import { expect } from 'chai';
import { APPARMOR_PROFILE } from '../../../src/api/resources.ts';
import { waitFor } from '../../testbed/process.ts';
import { kubectl, NAMESPACE } from '../api/installation.ts';
import { applyProfile, eventWhen, profileWhen, revisionsOf, sequenceOf } from './operator.ts';
import { policy, WITHOUT_WEBHOOKS, withController } from './running.ts';

describe('controller: revisions', function () {
  this.timeout(90_000);
  const running = withController(WITHOUT_WEBHOOKS);

  it('publishes what passed review, owned by the object; the object itself is left alone', async () => {
    const client = running.client();
    const name = running.newName('published');
    const object = await applyProfile(client, name, { policy: policy(name), conflictPolicy: 'Replace' });
    const profile = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    const [revision, ...others] = await revisionsOf(client, object.metadata.uid);
    expect(others).to.deep.equal([]);
    expect(revision?.data).to.deep.equal({
      object: { name, uid: object.metadata.uid, creationTimestamp: object.metadata.creationTimestamp },
      policy: policy(name),
      profiles: [name],
      conflictPolicy: 'Replace',
    });
    expect(revision?.metadata.ownerReferences?.[0]).to.deep.include({
      kind: 'AppArmorProfile',
      uid: object.metadata.uid,
      controller: true,
      blockOwnerDeletion: false,
    });
    expect(revision?.metadata.name).to.equal(`${name}-${profile.status?.revision}`);
    expect(profile.metadata).to.deep.include({ generation: 1, uid: object.metadata.uid });
    expect(profile.metadata).not.to.have.any.keys('annotations', 'labels', 'finalizers');
    await eventWhen(client, name, 'Published', new RegExp(`${profile.status?.revision}.*${name}`));
  });

  it('an earlier content is put in force again, the history ends at three, the last one never goes', async () => {
    const client = running.client();
    const name = running.newName('history');
    const hashes: string[] = [];
    const apply = async (text: string): Promise<string> => {
      const { metadata } = await applyProfile(client, name, { policy: policy(name, text) });
      const { status } = await profileWhen(
        client,
        name,
        'published',
        (profile) => profile.metadata.generation === metadata.generation && profile.status?.revision !== hashes.at(-1),
      );
      hashes.push(status?.revision ?? '');
      return metadata.uid;
    };
    for (const text of ['', '  # 2\n', '  # 3\n']) await apply(text);
    const uid = await apply('');
    expect(hashes[3]).to.equal(hashes[0]);
    const three = await revisionsOf(client, uid);
    expect(three.map(({ metadata }) => metadata.annotations?.['apparmor-operator.dev/revision-hash'])).to.deep.equal([
      hashes[1],
      hashes[2],
      hashes[0],
    ]);
    expect(three.map(sequenceOf)).to.deep.equal([2, 3, 4]);
    expect(three.map(({ revision }) => revision)).to.deep.equal([2, 3, 4]);

    for (const text of ['  # 5\n', '  # 6\n', '  # 7\n']) await apply(text);
    const left = await waitFor('the oldest to go', { deadlineMs: 10_000 }, async () => {
      const revisions = await revisionsOf(client, uid);
      return revisions.length === 4 ? revisions : undefined;
    });
    expect(left.map(sequenceOf)).to.deep.equal([4, 5, 6, 7]);
  });

  it('what is refused is not published: the line, the rule and the remedy are said, the last one stays', async () => {
    const client = running.client();
    const name = running.newName('refused');
    const good = await applyProfile(client, name, { policy: policy(name) });
    const before = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    await applyProfile(client, name, { policy: `${policy(name)}\nprofile docker-default {\n}\n` });
    const refused = await profileWhen(client, name, 'refused', (_, ready) => ready === 'False/PolicyRefused');
    const [ready, stalled] = refused.status?.conditions ?? [];
    expect(ready?.message).to.match(/^line 5: .*docker-default.*\(rule reserved-name\); .* stays in force$/);
    expect(stalled).to.deep.include({
      type: 'Stalled',
      status: 'True',
      reason: 'PolicyRefused',
      observedGeneration: 2,
    });
    expect(refused.status?.revision).to.equal(before.status?.revision);
    expect(await revisionsOf(client, good.metadata.uid)).to.have.length(1);
    await eventWhen(client, name, 'PolicyRefused', /^line 5: /);

    await applyProfile(client, name, { policy: policy(name) });
    const healed = await profileWhen(client, name, 'accepted again', (_, ready) => ready !== 'False/PolicyRefused');
    expect(healed.status?.conditions?.map(({ type }) => type)).not.to.include('Stalled');
    expect((await revisionsOf(client, good.metadata.uid)).map(sequenceOf)).to.deep.equal([1]);
  });

  it('what does not compile is not published, and the last one stays in force', async () => {
    const client = running.client();
    const name = running.newName('broken');
    const good = await applyProfile(client, name, { policy: policy(name) });
    const before = await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    const broken = {
      policy: policy(name),
      variants: [{ nodeSelector: { os: 'x' }, policy: policy(name, '  @{NOT} r,\n') }],
    };
    await applyProfile(client, name, broken);
    const refused = await profileWhen(client, name, 'refused', (_, ready) => ready === 'False/PolicyRefused');
    expect(refused.status?.conditions?.find(({ type }) => type === 'Stalled')?.message).to.match(
      /^variants\[0\]\.policy, line 3: .*\(rule compile-failed\); .* stays in force$/,
    );
    expect(refused.status?.failures?.[0]).to.deep.include({ reason: 'PolicyRefused', line: 3 });
    expect(refused.status?.revision).to.equal(before.status?.revision);
    expect(await revisionsOf(client, good.metadata.uid)).to.have.length(1);
    await eventWhen(client, name, 'PolicyRefused', /line 3: /);
    await applyProfile(client, name, { policy: policy(name, '  # 3\n') });
    const next = await profileWhen(
      client,
      name,
      'published',
      ({ status }) => status?.revision !== before.status?.revision,
    );
    expect(next.status?.conditions?.map(({ type }) => type)).not.to.include('Stalled');
  });

  it('a deleted revision is published again, spoilt metadata put right; with the object all are gone', async () => {
    const client = running.client();
    const name = running.newName('kept');
    const { metadata } = await applyProfile(client, name, { policy: policy(name) });
    await profileWhen(client, name, 'published', ({ status }) => status?.revision !== undefined);
    const [first] = await revisionsOf(client, metadata.uid);
    await kubectl(['delete', 'controllerrevision', first?.metadata.name ?? '', `--namespace=${NAMESPACE}`]);
    const again = await waitFor('it to be published again', { deadlineMs: 10_000 }, async () => {
      const [revision] = await revisionsOf(client, metadata.uid);
      return revision?.metadata.uid === first?.metadata.uid ? undefined : revision;
    });
    await kubectl([
      'label',
      'controllerrevision',
      again.metadata.name,
      `--namespace=${NAMESPACE}`,
      'apparmor-operator.dev/revision-',
    ]);
    await waitFor('its label to be put right', { deadlineMs: 10_000 }, async () => {
      const [revision] = await revisionsOf(client, metadata.uid);
      return revision?.metadata.labels?.['apparmor-operator.dev/revision'] === 'true';
    });
    await client.delete(APPARMOR_PROFILE, { name });
    await waitFor(
      'the revisions to be gone',
      { deadlineMs: 60_000 },
      async () => (await revisionsOf(client, metadata.uid)).length === 0,
    );
  });
});
