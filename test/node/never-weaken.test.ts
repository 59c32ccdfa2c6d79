import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { cluster, twoNodes } from './fixture.ts';
import { handMadeObject } from './hand-made.ts';
import { allUnderEnded } from './host-process.ts';
import { kernelRevision } from './kernel-revision.ts';
import {
  applyProfile,
  applyProfiles,
  confinementOf,
  DEADLINE_MS,
  inNode,
  inPod,
  kernelHash,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  profileReady,
  profilesReady,
  runPods,
} from './operator.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';
import { policy } from './policy.ts';
import { REMOVED_WITHIN_MS, removedWithin } from './report-rows.ts';

const NAMESPACE = 'apparmor-operator';

describe('never weaken', () => {
  before(async () => {
    const [node] = twoNodes();
    // Where the object has another name than the profile.
    const profiles = { 'kept-renamed': 'kept-before', 'kept-first': 'kept-shared' };
    const same = ['kept-deleted', 'kept-control', 'kept-ended'];
    const specs = { ...Object.fromEntries(same.map((name) => [name, name])), ...profiles };
    await applyProfiles(
      Object.fromEntries(Object.entries(specs).map(([name, profile]) => [name, { policy: policy(profile) }])),
    );
    await profilesReady(Object.keys(specs));
    await runPods([
      { name: 'kept-deleted', node, profile: 'kept-deleted' },
      { name: 'kept-control', node, profile: 'kept-control' },
      { name: 'kept-ended', node, profile: 'kept-ended' },
    ]);
  });

  it('a name that left the text is reported as Retained, and stays in the kernel', async () => {
    await applyProfile('kept-renamed', { policy: policy('kept-after') });
    await profileReady('kept-renamed');
    for (const node of cluster().nodes) {
      await nodeReportWhen(node, 'reports the old name as Retained', ({ status }) =>
        (status?.problems ?? []).some(({ profile, state }) => profile === 'kept-before' && state === 'Retained'),
      );
      expect([...(await kernelProfiles(node)).keys()]).to.include.members(['kept-before', 'kept-after']);
    }
  });

  it('a deleted object’s profile stays loaded and in force where a pod runs under it, and the report says how many do', async () => {
    const [first, second] = twoNodes();
    await kubectl(['delete', 'apparmorprofile', 'kept-deleted', '--timeout=30s']);

    const report = await nodeReportWhen(first, 'reports the profile as in use', ({ status }) =>
      (status?.problems ?? []).some(({ profile, reason }) => profile === 'kept-deleted' && reason === 'InUse'),
    );
    const row = report.status?.problems?.find(({ profile }) => profile === 'kept-deleted');
    expect(row).to.deep.include({ state: 'Retained' });
    expect(row?.message).to.match(/\b1 process\b/);
    expect(report.status?.loaded).not.to.have.property('kept-deleted');
    await removedWithin(DEADLINE_MS, second, ['kept-deleted']);
    expect((await kernelProfiles(first)).get('kept-deleted')).to.equal('enforce');
    expect(await confinementOf('kept-deleted')).to.equal('kept-deleted (enforce)');
    expect((await inPod('kept-deleted', ['touch', '/tmp/written'])).stderr).to.contain('Permission denied');
  });

  it('takes the profile up again when the object comes back, without a gap', async () => {
    await applyProfile('kept-deleted', { policy: policy('kept-deleted') });
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

  it('a new text under the same name: in force on the running pod, which is confined throughout', async () => {
    const text = policy('kept-control').replace('deny /tmp/** w,', 'deny /tmp/** w,\n  deny /etc/hostname r,');
    const [watched] = await Promise.all([
      inPod('kept-control', ['timeout', '150', 'sh', '-c', watchConfinement('kept-control')]),
      (async () => {
        await waitFor('somebody watches', { deadlineMs: DEADLINE_MS, intervalMs: 200 }, async () => {
          return (await inPod('kept-control', ['test', '-e', '/watching'])).code === 0;
        });
        await applyProfile('kept-control', { policy: text });
      })(),
    ]);
    expect(watched).to.deep.include({ code: 0, stderr: '' });
    expect(Number(watched.stdout)).to.be.greaterThan(100);
  });

  it('removes a deleted object’s profile within 30 s of the end of the last pod under it', async () => {
    const [node] = twoNodes();
    await kubectl(['delete', 'apparmorprofile', 'kept-ended', '--timeout=30s']);
    await nodeReportWhen(node, 'reports the profile as in use', ({ status }) =>
      (status?.problems ?? []).some(({ profile, reason }) => profile === 'kept-ended' && reason === 'InUse'),
    );
    await kubectl(['delete', 'pod', '-n', POD_NAMESPACE, 'kept-ended', '--timeout=120s']);
    // The API server forgets a pod without a grace period at once; its kubelet ends it later.
    await allUnderEnded(node, 'kept-ended');
    await removedWithin(REMOVED_WITHIN_MS, node, ['kept-ended']);
  });

  it('a profile of the name that something else loaded is neither replaced nor reported as loaded', async () => {
    const [node] = twoNodes();
    await inNode(node, "printf 'profile kept-foreign { file, }' | apparmor_parser -K -r");
    const before = await kernelHash(node, 'kept-foreign');
    await applyProfile('kept-foreign', { policy: policy('kept-foreign') });
    await nodeReportWhen(node, 'reports the conflict', ({ status }) =>
      (status?.problems ?? []).some(({ profile, state }) => profile === 'kept-foreign' && state === 'Conflict'),
    );
    expect(await kernelHash(node, 'kept-foreign'))
      .to.equal(before)
      .and.match(/^[0-9a-f]{64}$/);
  });

  it('a name that another object owns: refused at kubectl apply, and in conflict on every node where it was published', async () => {
    const hashes = await Promise.all(cluster().nodes.map((node) => kernelHash(node, 'kept-shared')));
    const text = policy('kept-shared').replace('/tmp/** w', '/etc/** w');
    const refusal = await applyProfile('kept-second', { policy: text }).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(refusal).to.contain('kept-first').and.to.contain('name-owned');

    const second = handMadeObject('kept-second', ['kept-shared']);
    await second.publish(text);
    for (const [index, node] of cluster().nodes.entries()) {
      const report = await nodeReportWhen(node, 'reports the conflict', ({ status }) =>
        (status?.problems ?? []).some(({ object, state }) => object === 'kept-second' && state === 'Conflict'),
      );
      expect(report.status?.problems?.find(({ object }) => object === 'kept-second')?.message).to.contain('kept-first');
      expect(await kernelHash(node, 'kept-shared')).to.equal(hashes[index]);
    }
    await second.remove();
  });

  it('a name that left the text is unloaded a minute later, as nothing uses it', async () => {
    for (const node of cluster().nodes) {
      await removedWithin(DEADLINE_MS, node, ['kept-before']);
      expect((await kernelProfiles(node)).get('kept-after')).to.equal('enforce');
    }
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
    const [node] = twoNodes();
    expect((await inPod('kept-control', ['touch', '/tmp/written'])).code).not.to.equal(0);
    await inNode(node, 'printf kept-control > /sys/kernel/security/apparmor/.remove');
    await waitFor('the profile is back', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () =>
      (await kernelProfiles(node)).has('kept-control'),
    );
    expect(await confinementOf('kept-control')).to.equal('unconfined');
  });
});

/**
 * Looks as often as it can until it may not read /etc/hostname any more, then prints how often; fails as soon as it is not
 * confined, or may write where it never may.
 */
function watchConfinement(profile: string): string {
  return `echo >/watching; looks=0
    while read -r _ 2>/dev/null </etc/hostname; do
      read -r label </proc/self/attr/current
      [ "$label" = '${profile} (enforce)' ] || { echo "under $label" >&2; exit 1; }
      if { echo >/tmp/written; } 2>/dev/null; then echo 'not confined' >&2; exit 1; fi
      looks=$((looks + 1))
    done
    echo $looks`;
}

async function kernelState(): Promise<[string, string][][]> {
  return Promise.all(
    cluster().nodes.map(async (node) =>
      [...(await kernelProfiles(node)).entries()].sort(([left], [right]) => (left < right ? -1 : 1)),
    ),
  );
}
