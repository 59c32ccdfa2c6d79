import { expect } from 'chai';
import type { AppArmorNode } from '../../../src/api/generated/index.ts';
import { APPARMOR_NODE } from '../../../src/api/resources.ts';
import { NODES } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { rowWhen, uniqueName } from './operator.ts';
import { withController } from './running.ts';

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
});
