import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { cluster } from './fixture.ts';
import {
  applyProfile,
  conditionOf,
  confinementOf,
  createPod,
  DEADLINE_MS,
  getNodeReport,
  inNode,
  inPod,
  isReady,
  kernelHash,
  kernelProfiles,
  kubectl,
  profileReady,
  profileWhen,
  runPod,
} from './operator.ts';
import { POD_NAMESPACE } from './pod-namespace.ts';
import { waitFor } from '../testbed/process.ts';

const DENY_WRITE = `#include <tunables/global>

profile loads-deny-write flags=(attach_disconnected) {
  #include <abstractions/base>

  file,

  # Deny all file writes.
  deny /** w,
}
`;

describe('applying an AppArmorProfile', () => {
  before('the profile is on no node, so that what follows is the operator’s work', async () => {
    for (const node of cluster().nodes)
      expect([...(await kernelProfiles(node)).keys()]).not.to.include('loads-deny-write');
    await applyProfile('loads-deny-write', { policy: DENY_WRITE });
    await profileReady('loads-deny-write');
  });

  it('puts the profile into every node’s kernel, in the mode that the text says', async () => {
    for (const node of cluster().nodes) {
      expect((await kernelProfiles(node)).get('loads-deny-write'), node.name).to.equal('enforce');
    }
  });

  it('reports what the kernel holds: the hash is that of the compiled policy in the state folder', async () => {
    for (const node of cluster().nodes) {
      const hash = await kernelHash(node, 'loads-deny-write');
      const { stdout } = await inNode(node, 'cd /var/lib/apparmor-operator && find . -type f -exec sha256sum {} +');
      expect(hash).to.match(/^[0-9a-f]{64}$/);
      expect(stdout, `${node.name}: no file of the state folder has the hash of what the kernel holds`).to.contain(
        hash,
      );
    }
  });

  it('says so in the status of the object and of each node', async () => {
    const profile = await profileReady('loads-deny-write');
    const nodes = cluster().nodes;
    expect(profile.status?.nodesLoaded).to.equal(`${nodes.length}/${nodes.length}`);
    expect(profile.status?.nodes).to.deep.include({
      desired: nodes.length,
      loaded: nodes.length,
      failed: 0,
      pending: 0,
    });
    expect(profile.status?.profiles).to.deep.equal(['loads-deny-write']);
    for (const node of nodes) {
      const report = await getNodeReport(node);
      expect(report.status?.enforcing).to.equal(true);
      expect(report.status?.loaded?.['loads-deny-write']).to.equal(profile.status?.revision);
      expect(report.status?.bootID).to.equal((await inNode(node, 'cat /proc/sys/kernel/random/boot_id')).stdout.trim());
      expect(report.status?.kernel).to.equal((await inNode(node, 'uname -r')).stdout.trim());
    }
  });

  it('confines a pod that names the profile on each node: a write is refused, and allowed without it', async () => {
    await Promise.all(
      cluster().nodes.map(async (node, index) => {
        const [confined, free] = [`loads-confined-${index}`, `loads-free-${index}`];
        await Promise.all([
          runPod({ name: confined, node, profile: 'loads-deny-write' }),
          runPod({ name: free, node }),
        ]);
        expect(await confinementOf(confined)).to.equal('loads-deny-write (enforce)');
        const refused = await inPod(confined, ['touch', '/tmp/written']);
        expect(refused.code).not.to.equal(0);
        expect(refused.stderr).to.contain('Permission denied');
        expect((await inPod(free, ['touch', '/tmp/written'])).code).to.equal(0);
      }),
    );
  });

  it('changes the policy of running pods when the object changes', async () => {
    const before = await profileReady('loads-deny-write');
    expect((await inPod('loads-confined-0', ['cat', '/etc/hostname'])).code).to.equal(0);
    await applyProfile('loads-deny-write', {
      policy: DENY_WRITE.replace('deny /** w,', 'deny /** w,\n  deny /etc/hostname r,'),
    });
    const after = await profileReady('loads-deny-write');
    expect(after.status?.revision).not.to.equal(before.status?.revision);
    const refused = await inPod('loads-confined-0', ['cat', '/etc/hostname']);
    expect(refused.stderr).to.contain('Permission denied');
    expect((await inPod('loads-free-0', ['cat', '/etc/hostname'])).code).to.equal(0);
  });

  it('loads complain mode where the object asks for it, without a change of the text', async () => {
    await applyProfile('loads-complain', {
      policy: DENY_WRITE.replace('loads-deny-write', 'loads-complain'),
      mode: 'Complain',
    });
    const profile = await profileReady('loads-complain');
    expect(profile.status?.mode).to.equal('Complain');
    for (const node of cluster().nodes) expect((await kernelProfiles(node)).get('loads-complain')).to.equal('complain');
  });

  it('starts a pod that was there before its profile, as soon as the profile is', async () => {
    const [node] = cluster().nodes;
    await createPod({ name: 'loads-early', ...(node === undefined ? {} : { node }), profile: 'loads-late' });
    await waitFor('the runtime refuses the pod', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
      const message = await kubectl([
        'get',
        'pod',
        'loads-early',
        `--namespace=${POD_NAMESPACE}`,
        '-o',
        'jsonpath={.status.containerStatuses[0].state.waiting.message}',
      ]);
      return message.includes('loads-late');
    });
    await applyProfile('loads-late', { policy: DENY_WRITE.replace('loads-deny-write', 'loads-late') });
    await profileReady('loads-late');
    await kubectl(['wait', '-n', POD_NAMESPACE, '--for=condition=Ready', 'pod/loads-early', '--timeout=180s']);
    expect(await confinementOf('loads-early')).to.equal('loads-late (enforce)');
  });

  it('loads only where nodeSelector says, and says when no node is meant', async () => {
    const [first, second] = cluster().nodes;
    if (first === undefined || second === undefined) throw new Error('this test needs two nodes');
    const policy = DENY_WRITE.replace('loads-deny-write', 'loads-selected');
    await applyProfile('loads-selected', { policy, nodeSelector: { 'kubernetes.io/hostname': first.name } });
    const profile = await profileReady('loads-selected');
    expect(profile.status?.nodesLoaded).to.equal('1/1');
    expect([...(await kernelProfiles(first)).keys()]).to.include('loads-selected');
    expect([...(await kernelProfiles(second)).keys()]).not.to.include('loads-selected');

    await applyProfile('loads-nowhere', {
      policy: policy.replace('loads-selected', 'loads-nowhere'),
      nodeSelector: { 'kubernetes.io/hostname': 'no-such-node' },
    });
    const nowhere = await profileWhen(
      'loads-nowhere',
      'no node is meant',
      (object) => conditionOf(object, 'Ready')?.reason === 'NoMatchingNode',
    );
    expect(isReady(nowhere)).to.equal(false);
    expect(nowhere.status?.nodesLoaded).to.equal('0/0');
  });

  it('loads the variant whose nodeSelector matches', async () => {
    const [first, second] = cluster().nodes;
    if (first === undefined || second === undefined) throw new Error('this test needs two nodes');
    const policy = DENY_WRITE.replace('loads-deny-write', 'loads-variant');
    await applyProfile('loads-variant', {
      policy,
      variants: [
        {
          nodeSelector: { 'kubernetes.io/hostname': second.name },
          policy: `# the second node\n${policy.replace('deny /** w', 'deny /** wl')}`,
        },
      ],
    });
    await profileReady('loads-variant');
    const hashes = [await kernelHash(first, 'loads-variant'), await kernelHash(second, 'loads-variant')];
    expect(hashes[0])
      .to.match(/^[0-9a-f]{64}$/)
      .and.not.to.equal(createHash('sha256').digest('hex'));
    expect(hashes[1])
      .to.match(/^[0-9a-f]{64}$/)
      .and.not.to.equal(hashes[0]);
  });
});
