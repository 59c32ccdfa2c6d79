import { expect } from 'chai';
import type { AppArmorNode } from '../../../src/api/generated/index.ts';
import { APPARMOR_NODE } from '../../../src/api/resources.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { NODES } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { applyProfile, profileWhen, report, rowWhen, uniqueName } from './operator.ts';
import { agentSays, notReadySince } from './pods.ts';
import { policy, withController } from './running.ts';

describe('controller: AppArmorNodes', function () {
  this.timeout(90_000);
  const running = withController();

  it('one per Linux node, named after it and owned by it', async () => {
    const client = running.client();
    const name = uniqueName('node');
    const { uid } = await running.operator().createNode(name);
    const row = await rowWhen(client, name);
    expect(row.metadata.ownerReferences).to.deep.equal([
      { apiVersion: 'v1', kind: 'Node', name, uid, controller: true, blockOwnerDeletion: false },
    ]);

    await client.mergePatch(APPARMOR_NODE, { name }, { metadata: { ownerReferences: null } });
    await waitFor('the owner to be put right', { deadlineMs: 10_000 }, async () => {
      const { metadata } = await client.get<AppArmorNode>(APPARMOR_NODE, { name });
      return metadata.ownerReferences?.[0]?.uid === uid;
    });
  });

  it('whose fields the API server tracks for nobody, but for whoever applies one', async () => {
    const client = running.client();
    const name = uniqueName('tracked');
    await running.operator().createNode(name);
    await untracked(client, name);
    await report(client, name, { loaded: { web: 'one' } });
    await client.mergePatch(APPARMOR_NODE, { name }, { metadata: { labels: { team: 'web' } } });
    expect((await untracked(client, name)).status?.loaded).to.deep.equal({ web: 'one' });

    const applied = { metadata: { name, annotations: { note: 'mine' } } };
    await client.apply(APPARMOR_NODE, applied, { fieldManager: 'somebody', force: false });
    await report(client, name, { loaded: { web: 'two' } });
    // Its owner is put right by the pass that would also take the tracking away.
    await client.mergePatch(APPARMOR_NODE, { name }, { metadata: { ownerReferences: null } });
    const { metadata } = await waitFor('the owner to be put right', { deadlineMs: 10_000 }, async () => {
      const row = await client.get<AppArmorNode>(APPARMOR_NODE, { name });
      return row.metadata.ownerReferences === undefined ? undefined : row;
    });
    expect(metadata.managedFields?.find(({ operation }) => operation === 'Apply')?.manager).to.equal('somebody');
    expect(metadata.annotations).to.include({ note: 'mine' });
    await client.delete(NODES, { name });
  });

  it('none for Windows nodes and virtual ones', async () => {
    const client = running.client();
    const [windows, virtual, linux] = [uniqueName('windows'), uniqueName('virtual'), uniqueName('linux')];
    await running.operator().createNode(windows, { 'kubernetes.io/os': 'windows' });
    await running.operator().createNode(virtual, { type: 'virtual-kubelet' });
    await running.operator().createNode(linux);
    await rowWhen(client, linux);
    const { items } = await client.list<AppArmorNode>(APPARMOR_NODE);
    expect(items.map(({ metadata }) => metadata.name)).not.to.include.members([windows, virtual]);
    for (const name of [windows, virtual, linux]) await client.delete(NODES, { name });
  });

  it('are gone, and made again with a Node of the same name', async () => {
    const client = running.client();
    const name = uniqueName('replaced');
    await running.operator().createNode(name);
    const before = await rowWhen(client, name);
    await client.delete(NODES, { name });
    const { uid } = await running.operator().createNode(name);
    const after = await waitFor('another row', { deadlineMs: 60_000 }, async () => {
      const row = await client.get<AppArmorNode>(APPARMOR_NODE, { name });
      return row.metadata.uid === before.metadata.uid ? undefined : row;
    });
    expect(after.metadata.ownerReferences?.[0]?.uid).to.equal(uid);
  });

  it('each kind of node is counted as what it is, and a deleted one leaves no trace', async () => {
    const client = running.client();
    const pool = { pool: uniqueName('kinds') };
    const name = running.newName('kinds');
    await applyProfile(client, name, { policy: policy(name), nodeSelector: pool });
    const none = await profileWhen(client, name, 'without nodes', (_, ready) => ready === 'False/NoMatchingNode');
    const revision = none.status?.revision ?? '';

    const [off, hidden, agentless, silent, virtual, windows] = kinds.map(uniqueName) as Six;
    await running.operator().createNode(virtual, { ...pool, type: 'virtual-kubelet' });
    await running.operator().createNode(windows, { ...pool, 'kubernetes.io/os': 'windows' });
    for (const node of [off, hidden, agentless, silent]) await running.operator().createNode(node, pool);
    for (const node of [off, hidden, agentless, silent]) await rowWhen(client, node);
    // What each said while all was well, so that nothing below counts because it was never asked.
    for (const node of [hidden, agentless, silent]) await report(client, node, { loaded: { [name]: revision } });
    await report(client, off, { enforcing: false, reason: 'AppArmorDisabled', message: 'booted with apparmor=0' });
    const well = await profileWhen(client, name, 'loaded', (_, ready) => ready === 'True/Loaded');
    expect(well.status?.nodes).to.deep.include({ desired: 5, loaded: 3, unreachable: 1, unsupported: 1 });

    await agentSays(client, hidden, waitingForSecurityfs());
    await running.operator().makeNotReady(silent);
    const fewer = await profileWhen(client, name, 'on one node', ({ status }) => status?.nodesLoaded === '1/1');
    expect(fewer.status?.nodes).to.deep.include({ desired: 5, loaded: 1, unreachable: 2, unsupported: 2 });
    // A new leader counts the five minutes from what the agent's pod says, not from when it began to look.
    await running.controller().stop();
    await agentSays(client, agentless, notReadySince(new Date(Date.now() - 6 * 60_000)));
    await running.operator().startController('controller-two');
    const no = await profileWhen(client, name, 'no node', (_, ready) => ready === 'False/NoEnforcingNode');
    expect(no.status).to.deep.include({
      nodesLoaded: '0/0',
      nodes: { desired: 5, loaded: 0, pending: 0, failed: 0, conflict: 0, unreachable: 3, unsupported: 2 },
    });
    const reasons = ['AppArmorDisabled', 'NoAgent', 'NodeNotReady', 'SecurityfsMissing', 'VirtualNode'];
    for (const reason of reasons) expect(no.status?.conditions?.[0]?.message).to.contain(`1 ${reason}`);

    const joining = uniqueName('joining');
    await running.operator().createNode(joining, pool);
    await rowWhen(client, joining);
    await report(client, joining, { loaded: { [name]: revision } });
    const again = await profileWhen(client, name, 'loaded again', (_, ready) => ready === 'True/Loaded');
    expect(again.status).to.deep.include({ nodesLoaded: '1/1' });
    expect(again.status?.nodes).to.deep.include({ desired: 6, loaded: 1 });

    for (const node of [joining, off, hidden, agentless, silent, virtual]) await client.delete(NODES, { name: node });
    const left = await profileWhen(client, name, 'no node left', (_, ready) => ready === 'False/NoMatchingNode');
    expect(left.status?.nodes).to.deep.include({ desired: 0, loaded: 0, unreachable: 0, unsupported: 0 });
    await waitFor('their rows to be gone', { deadlineMs: 60_000 }, async () => {
      const { items } = await client.list<AppArmorNode>(APPARMOR_NODE);
      return !items.some(({ metadata }) => [joining, off, hidden, agentless, silent].includes(metadata.name));
    });
  });
});

/** The row once nobody is named as the writer of any of its fields. */
function untracked(client: KubeClient, name: string): Promise<AppArmorNode> {
  return waitFor('a row without managedFields', { deadlineMs: 10_000 }, async () => {
    const row = await rowWhen(client, name);
    return row.metadata.managedFields === undefined ? row : undefined;
  });
}

const kinds = ['off', 'hidden', 'agentless', 'silent', 'virtual', 'windows'] as const;
type Six = [string, string, string, string, string, string];

/** What the kubelet says where the runtime cannot mount /sys/kernel/security, because the kernel has none. */
function waitingForSecurityfs(): object {
  const message = 'failed to generate spec: failed to mkdir "/sys/kernel/security": operation not permitted';
  const state = { waiting: { reason: 'CreateContainerError', message } };
  const container = { name: 'agent', image: 'i', imageID: '', ready: false, restartCount: 0, state };
  return { phase: 'Pending', containerStatuses: [container] };
}
