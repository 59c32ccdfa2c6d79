import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { cluster, twoNodes } from './fixture.ts';
import {
  applyProfile,
  applyProfiles,
  conditionOf,
  confinementOf,
  createPods,
  DEADLINE_MS,
  getNodeReport,
  inNode,
  inPod,
  isReady,
  kernelHash,
  kernelProfiles,
  kubectl,
  profileReady,
  podsReady,
  profileWhen,
  runPods,
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
  before('what follows is the operator’s work: first, no node holds any of it', async () => {
    const [first, second] = twoNodes();
    for (const node of cluster().nodes) {
      expect([...(await kernelProfiles(node)).keys()].filter((name) => name.startsWith('loads-'))).to.deep.equal([]);
    }
    await createPods([{ name: 'loads-early', node: first, profile: 'loads-late' }]);
    const variant = policy('loads-variant');
    await applyProfiles({
      'loads-deny-write': { policy: DENY_WRITE },
      'loads-complain': { policy: policy('loads-complain'), mode: 'Complain' },
      'loads-selected': {
        policy: policy('loads-selected'),
        nodeSelector: { 'kubernetes.io/hostname': first.name },
      },
      'loads-nowhere': { policy: policy('loads-nowhere'), nodeSelector: { 'kubernetes.io/hostname': 'no-such-node' } },
      'loads-variant': {
        policy: variant,
        variants: [
          {
            nodeSelector: { 'kubernetes.io/hostname': second.name },
            policy: `# the second node\n${variant.replace('deny /** w', 'deny /** wl')}`,
          },
        ],
      },
    });
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
    const pods = cluster().nodes.map((node, index) => ({
      confined: { name: `loads-confined-${index}`, node, profile: 'loads-deny-write' },
      free: { name: `loads-free-${index}`, node },
    }));
    await runPods(pods.flatMap(({ confined, free }) => [confined, free]));
    await Promise.all(
      pods.map(async ({ confined, free }) => {
        const refused = await inPod(confined.name, ['sh', '-c', 'cat /proc/1/attr/current; touch /tmp/written']);
        expect(refused.stdout.trim()).to.equal('loads-deny-write (enforce)');
        expect(refused.code).not.to.equal(0);
        expect(refused.stderr).to.contain('Permission denied');
        expect((await inPod(free.name, ['touch', '/tmp/written'])).code).to.equal(0);
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
    const profile = await profileReady('loads-complain');
    expect(profile.status?.mode).to.equal('Complain');
    for (const node of cluster().nodes) expect((await kernelProfiles(node)).get('loads-complain')).to.equal('complain');
  });

  it('starts a pod that was there before its profile, as soon as the profile is', async () => {
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
    await applyProfile('loads-late', { policy: policy('loads-late') });
    await profileReady('loads-late');
    await podsReady(['loads-early']);
    expect(await confinementOf('loads-early')).to.equal('loads-late (enforce)');
  });

  it('loads only where nodeSelector says, and says when no node is meant', async () => {
    const [first, second] = twoNodes();
    const profile = await profileReady('loads-selected');
    expect(profile.status?.nodesLoaded).to.equal('1/1');
    expect([...(await kernelProfiles(first)).keys()]).to.include('loads-selected');
    expect([...(await kernelProfiles(second)).keys()]).not.to.include('loads-selected');

    const nowhere = await profileWhen(
      'loads-nowhere',
      'no node is meant',
      (object) => conditionOf(object, 'Ready')?.reason === 'NoMatchingNode',
    );
    expect(isReady(nowhere)).to.equal(false);
    expect(nowhere.status?.nodesLoaded).to.equal('0/0');
  });

  it('loads the variant whose nodeSelector matches', async () => {
    const [first, second] = twoNodes();
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

function policy(name: string): string {
  return DENY_WRITE.replace('loads-deny-write', name);
}
