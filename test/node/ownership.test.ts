import { expect } from 'chai';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { agentPod, NAMESPACE } from './agents.ts';
import { cluster, twoNodes } from './fixture.ts';
import { handMadeObject } from './hand-made.ts';
import { enterProfile, type HostProcess } from './host-process.ts';
import { kernelEntries } from './kernel-entry.ts';
import {
  applyProfiles,
  DEADLINE_MS,
  getNodeReport,
  inNode,
  kernelHash,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  profilesReady,
} from './operator.ts';
import { policy } from './policy.ts';
import { eventNote, removedWithin, saysOf } from './report-rows.ts';

const BY_HAND = '  file,\n  signal,\n';

describe('what something else loaded', () => {
  let process: HostProcess;
  let byHand: string;

  before(async () => {
    const [first] = twoNodes();
    for (const name of ['owned-taken', 'owned-half-second']) {
      await inNode(first, `printf 'profile ${name} {\n${BY_HAND}}\n' | apparmor_parser -K -r`);
    }
    byHand = await kernelHash(first, 'owned-half-second');
    process = await enterProfile(first, 'owned-taken');
    await applyProfiles({
      'owned-taken': { policy: policy('owned-taken'), conflictPolicy: 'Replace' },
      'owned-created': { policy: policy('owned-created') },
      'owned-adopted': { policy: policy('owned-adopted') },
      'owned-half': { policy: `${policy('owned-half-first')}${policy('owned-half-second')}` },
    });
    await profilesReady(['owned-taken', 'owned-created', 'owned-adopted']);
  });

  it('a text of two profiles of which one is something else’s: neither is loaded there, both elsewhere', async () => {
    const [first, second] = twoNodes();
    await saysOf(first, 'owned-half-second', ({ row }) => row?.reason === 'LoadedBySomethingElse');
    expect(await kernelHash(first, 'owned-half-second')).to.equal(byHand);
    expect([...(await kernelProfiles(first)).keys()]).not.to.include('owned-half-first');

    await saysOf(second, 'owned-half-second', ({ isLoaded }) => isLoaded);
    expect([...(await kernelProfiles(second)).keys()]).to.include.members(['owned-half-first', 'owned-half-second']);
  });

  it('a text of two profiles of which one is another object’s: neither is loaded on any node', async () => {
    const hashes = await Promise.all(cluster().nodes.map((node) => kernelHash(node, 'owned-created')));
    const rival = handMadeObject('owned-rival', ['owned-rival-first', 'owned-created']);
    await rival.publish(`${policy('owned-rival-first')}${policy('owned-created').replace('/tmp', '/etc')}`);
    for (const [index, node] of cluster().nodes.entries()) {
      await waitFor('the conflict', { deadlineMs: DEADLINE_MS, intervalMs: 300 }, async () => {
        const { status } = await getNodeReport(node);
        return status?.problems?.find(
          ({ object, reason }) => object === 'owned-rival' && reason === 'OwnedByOtherObject',
        );
      });
      expect([...(await kernelProfiles(node)).keys()]).not.to.include('owned-rival-first');
      expect(await kernelHash(node, 'owned-created')).to.equal(hashes[index]);
    }
    await rival.remove();
  });

  it('with conflictPolicy Replace it is replaced, an Event says so, and what ran under it runs under the new text', async () => {
    const [first, second] = twoNodes();
    const note = await eventNote('TakenOver', 'owned-taken');
    expect(note).to.contain(first.name).and.to.contain('owned-taken');
    // The same text and kernel on the node where nothing of that name was before.
    expect(await kernelHash(first, 'owned-taken'))
      .to.equal(await kernelHash(second, 'owned-taken'))
      .and.match(/^[0-9a-f]{64}$/);
    expect(await process.label()).to.equal('owned-taken (enforce)');
    const { status } = await getNodeReport(first);
    expect(status?.drift?.find(({ profile }) => profile === 'owned-taken')?.what).to.equal('TakenOver');
  });

  it('what was taken over stays when its object is deleted and nothing runs under it; what was created goes', async () => {
    const [first, second] = twoNodes();
    await process.end();
    await deleteAndSeeRemoved('owned-taken', 'owned-created');
    const { row } = await saysOf(first, 'owned-taken', (said) => said.row?.reason === 'NotOurs');
    expect(row?.message).to.contain('taken over');
    expect((await kernelProfiles(first)).get('owned-taken')).to.equal('enforce');
    // Others may be granted for what other tests left.
    const granted = ((await getNodeReport(first)).spec?.unload ?? []).map(({ profile }) => profile);
    expect(granted).not.to.include('owned-taken');
    await removedWithin(DEADLINE_MS, second, ['owned-taken']);
  });

  it('after the loss of the state folder, what the kernel holds and equals what would be loaded is adopted: no write', async () => {
    const [first] = twoNodes();
    const before = await getNodeReport(first);
    const entries = await kernelEntries(first);
    await loseStateFolder(first);
    // A policy that takes long to compile is adopted after the others.
    const after = await nodeReportWhen(first, 'finds the folder usable and has compiled all anew', ({ status }) => {
      return status?.reason === undefined && status?.loadedCount === before.status?.loadedCount;
    });
    // What other tests left unwanted may go meanwhile; nothing may have been loaded.
    expect(entries).to.include.members([...(await kernelEntries(first))]);
    expect(after.status?.loaded).to.deep.equal(before.status?.loaded).and.to.include.keys('owned-adopted');
  });

  it('what was adopted stays when its object is deleted; what was created since goes', async () => {
    const [first, second] = twoNodes();
    await applyProfiles({ 'owned-later': { policy: policy('owned-later') } });
    await profilesReady(['owned-later']);
    await deleteAndSeeRemoved('owned-adopted', 'owned-later');
    const { row } = await saysOf(first, 'owned-adopted', (said) => said.row?.reason === 'NotOurs');
    expect(row?.message).to.contain('did not create it');
    expect((await kernelProfiles(first)).get('owned-adopted')).to.equal('enforce');
    await removedWithin(DEADLINE_MS, second, ['owned-adopted']);
  });
});

/** Deletes two objects together; returns once the second one's profile is gone everywhere. */
async function deleteAndSeeRemoved(kept: string, control: string): Promise<void> {
  await kubectl(['delete', 'apparmorprofiles', kept, control, '--timeout=30s']);
  await Promise.all(cluster().nodes.map((node) => removedWithin(DEADLINE_MS, node, [control])));
}

/** Takes the folder away and the agent that has it in memory; returns once the next agent has done its first pass. */
async function loseStateFolder(node: TestNode): Promise<void> {
  const before = await agentPod(node);
  // In one step: an agent that writes meanwhile would make the removal of a folder fail that has just become empty.
  await inNode(node, 'mv /var/lib/apparmor-operator /var/lib/lost');
  await kubectl(['delete', 'pod', '-n', NAMESPACE, before.name, '--timeout=60s']);
  await inNode(node, 'rm -r /var/lib/lost');
  await waitFor('the next agent is Ready', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
    const { name, ready } = await agentPod(node);
    return name !== before.name && ready;
  });
}
