import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { cluster } from './fixture.ts';
import {
  applyProfile,
  confinementOf,
  DEADLINE_MS,
  inNode,
  inPod,
  kernelHash,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  profileReady,
  runPod,
} from './operator.ts';

const NAMESPACE = 'apparmor-operator';
const POLICY = 'profile NAME flags=(attach_disconnected) {\n  file,\n  deny /tmp/** w,\n}\n';

describe('never weaken', () => {
  it('a deleted object’s profile stays loaded and in force, and is reported as Retained', async () => {
    await applyProfile('kept-deleted', { policy: POLICY.replace('NAME', 'kept-deleted') });
    await profileReady('kept-deleted');
    const [node] = cluster().nodes;
    if (node === undefined) throw new Error('this test needs a node');
    await runPod({ name: 'kept-deleted', node, profile: 'kept-deleted' });

    await kubectl(['delete', 'apparmorprofile', 'kept-deleted', '--timeout=30s']);

    for (const each of cluster().nodes) {
      const report = await nodeReportWhen(each, 'reports the profile as Retained', ({ status }) =>
        (status?.problems ?? []).some(({ profile, state }) => profile === 'kept-deleted' && state === 'Retained'),
      );
      expect(report.status?.loaded).not.to.have.property('kept-deleted');
      expect((await kernelProfiles(each)).get('kept-deleted')).to.equal('enforce');
    }
    expect(await confinementOf('kept-deleted')).to.equal('kept-deleted (enforce)');
    expect((await inPod('kept-deleted', ['touch', '/tmp/written'])).stderr).to.contain('Permission denied');
  });

  it('takes the profile up again when the object comes back, without a gap', async () => {
    await applyProfile('kept-deleted', { policy: POLICY.replace('NAME', 'kept-deleted') });
    await profileReady('kept-deleted');
    for (const node of cluster().nodes) {
      await nodeReportWhen(
        node,
        'the row is healthy again',
        ({ status }) =>
          status?.loaded?.['kept-deleted'] !== undefined &&
          !(status.problems ?? []).some(({ profile }) => profile === 'kept-deleted'),
      );
    }
    expect(await confinementOf('kept-deleted')).to.equal('kept-deleted (enforce)');
  });

  it('a name that left the text stays loaded and is reported as Retained', async () => {
    await applyProfile('kept-renamed', { policy: POLICY.replace('NAME', 'kept-before') });
    await profileReady('kept-renamed');
    await applyProfile('kept-renamed', { policy: POLICY.replace('NAME', 'kept-after') });
    await profileReady('kept-renamed');
    for (const node of cluster().nodes) {
      await nodeReportWhen(node, 'reports the old name as Retained', ({ status }) =>
        (status?.problems ?? []).some(({ profile, state }) => profile === 'kept-before' && state === 'Retained'),
      );
      const names = [...(await kernelProfiles(node)).keys()];
      expect(names).to.include.members(['kept-before', 'kept-after']);
    }
  });

  it('a profile of the name that something else loaded is neither replaced nor reported as loaded', async () => {
    const [node] = cluster().nodes;
    if (node === undefined) throw new Error('this test needs a node');
    await inNode(node, "printf 'profile kept-foreign { file, }' | apparmor_parser -K -r");
    const before = await kernelHash(node, 'kept-foreign');
    await applyProfile('kept-foreign', { policy: POLICY.replace('NAME', 'kept-foreign') });
    await nodeReportWhen(node, 'reports the conflict', ({ status }) =>
      (status?.problems ?? []).some(({ profile, state }) => profile === 'kept-foreign' && state === 'Conflict'),
    );
    expect(await kernelHash(node, 'kept-foreign'))
      .to.equal(before)
      .and.match(/^[0-9a-f]{64}$/);
  });

  it('of two objects that define one name the older has it on every node; the other says whose it is', async () => {
    await applyProfile('kept-first', { policy: POLICY.replace('NAME', 'kept-shared') });
    await profileReady('kept-first');
    const hashes = await Promise.all(cluster().nodes.map((node) => kernelHash(node, 'kept-shared')));
    await applyProfile('kept-second', {
      policy: POLICY.replace('NAME', 'kept-shared').replace('/tmp/** w', '/etc/** w'),
    });
    for (const [index, node] of cluster().nodes.entries()) {
      const report = await nodeReportWhen(node, 'reports the conflict', ({ status }) =>
        (status?.problems ?? []).some(({ object, state }) => object === 'kept-second' && state === 'Conflict'),
      );
      expect(report.status?.problems?.find(({ object }) => object === 'kept-second')?.message).to.contain('kept-first');
      expect(await kernelHash(node, 'kept-shared')).to.equal(hashes[index]);
    }
  });

  it('puts right what was unloaded by hand', async () => {
    await applyProfile('kept-drifted', { policy: POLICY.replace('NAME', 'kept-drifted') });
    await profileReady('kept-drifted');
    const [node] = cluster().nodes;
    if (node === undefined) throw new Error('this test needs a node');
    await inNode(node, 'printf kept-drifted > /sys/kernel/security/apparmor/.remove');
    await waitFor('the profile is back', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () =>
      (await kernelProfiles(node)).has('kept-drifted'),
    );
  });

  it('a roll-out and the end of every agent change nothing in the kernels', async function () {
    // Measured: 165 s. Agents are rolled out one by one, and one takes 40 s from its end to Ready under emulation.
    this.timeout(900_000);
    const before = await kernelState();
    const revisions = await Promise.all(cluster().nodes.map((node) => kernelRevision(node)));
    await kubectl(['rollout', 'restart', '-n', NAMESPACE, 'daemonset/apparmor-operator-agent']);
    await kubectl(['rollout', 'status', '-n', NAMESPACE, 'daemonset/apparmor-operator-agent', '--timeout=400s']);
    await kubectl([
      'delete',
      'pods',
      '-n',
      NAMESPACE,
      '-l',
      'app.kubernetes.io/component=agent',
      '--grace-period=0',
      '--force',
    ]);
    await kubectl(['rollout', 'status', '-n', NAMESPACE, 'daemonset/apparmor-operator-agent', '--timeout=400s']);
    expect(await kernelState()).to.deep.equal(before);
    // Nothing was even written: the kernel counts every change of policy.
    expect(await Promise.all(cluster().nodes.map((node) => kernelRevision(node)))).to.deep.equal(revisions);
    expect(await confinementOf('kept-deleted')).to.equal('kept-deleted (enforce)');
  });

  it('control: a removal by hand does unconfine a running pod, and loading again does not confine it', async () => {
    const [node] = cluster().nodes;
    if (node === undefined) throw new Error('this test needs a node');
    await applyProfile('kept-control', { policy: POLICY.replace('NAME', 'kept-control') });
    await profileReady('kept-control');
    await runPod({ name: 'kept-control', node, profile: 'kept-control' });
    expect((await inPod('kept-control', ['touch', '/tmp/written'])).code).not.to.equal(0);
    await inNode(node, 'printf kept-control > /sys/kernel/security/apparmor/.remove');
    await waitFor('the profile is back', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () =>
      (await kernelProfiles(node)).has('kept-control'),
    );
    expect(await confinementOf('kept-control')).to.equal('unconfined');
  });
});

async function kernelState(): Promise<[string, string][][]> {
  return Promise.all(
    cluster().nodes.map(async (node) =>
      [...(await kernelProfiles(node)).entries()].sort(([left], [right]) => (left < right ? -1 : 1)),
    ),
  );
}

async function kernelRevision(node: Parameters<typeof inNode>[0]): Promise<string> {
  // One read: the next one on the same descriptor waits for a change.
  return (await inNode(node, 'dd if=/sys/kernel/security/apparmor/revision bs=64 count=1 2>/dev/null')).stdout.trim();
}
