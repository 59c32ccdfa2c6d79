import { expect } from 'chai';
import { createKubeClient } from '../../../src/kube/client.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { isAlreadyExists, isConflict, isForbidden, isInvalid, isNotFound } from '../../../src/kube/errors.ts';
import { createEventRecorder } from '../../../src/kube/events.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { CONFIG_MAPS, DAEMON_SETS, EVENTS, NAMESPACES, NODES } from '../../../src/kube/resource.ts';
import type { KubeObject, ObjectKey } from '../../../src/kube/resource.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import type { Transport } from '../../../src/kube/transport.ts';
import { waitFor } from '../../testbed/process.ts';
import { controlPlane, namePrefix } from '../fixture.ts';

interface Thing extends KubeObject {
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string };
  data?: Record<string, string>;
  status?: { phase?: string; conditions?: object[] };
}

describe('client of a real API server', function () {
  this.timeout(30_000);
  const transports: Transport[] = [];
  let client: KubeClient;
  let key: ObjectKey & { namespace: string };

  function reach(kubeconfig: string): KubeClient {
    const transport = createTransport(kubeconfigAccess(kubeconfig), { userAgent: 'tests', timeoutMs: 10_000 });
    transports.push(transport);
    return createKubeClient(transport);
  }

  beforeEach(function () {
    client = reach(controlPlane().kubeconfig);
    key = { namespace: 'default', name: `${namePrefix(this)}object` };
  });

  afterEach(async () => {
    await client.delete(CONFIG_MAPS, key).catch(() => undefined);
    await Promise.all(transports.splice(0).map((transport) => transport.close()));
  });

  it('creates, reads, replaces, patches and deletes', async () => {
    const made = await client.create<Thing>(CONFIG_MAPS, { metadata: key, data: { a: '1' } });
    expect(await failure(client.create(CONFIG_MAPS, { metadata: key }))).to.satisfy(isAlreadyExists);
    await client.update<Thing>(CONFIG_MAPS, { ...made, data: { a: '2' } });
    expect(await failure(client.update(CONFIG_MAPS, { ...made, data: { a: '3' } }))).to.satisfy(isConflict);
    const patched = await client.mergePatch<Thing>(CONFIG_MAPS, key, { data: { a: null, b: 'x' } });
    expect(patched.data).to.deep.equal({ b: 'x' });
    expect((await client.get<Thing>(CONFIG_MAPS, key)).data).to.deep.equal({ b: 'x' });
    await waitFor('the API server to remember it', { deadlineMs: 10_000, intervalMs: 50 }, async () => {
      const { data } = await client.get<Thing>(CONFIG_MAPS, key, { freshness: 'cached' });
      return data?.['b'] === 'x';
    });
    expect(await failure(client.delete(CONFIG_MAPS, key, { uid: 'another' }))).to.satisfy(isConflict);
    await client.delete(CONFIG_MAPS, key, { uid: made.metadata.uid ?? '' });
    expect(await failure(client.get(CONFIG_MAPS, key))).to.satisfy(isNotFound);
  });

  it('applies as its field manager, and takes fields of others only by force', async () => {
    const mine = { fieldManager: 'mine', force: false };
    await client.apply(CONFIG_MAPS, { metadata: key, data: { a: '1', b: '1' } }, mine);
    const theirs = { metadata: key, data: { a: '2' } };
    expect(await failure(client.apply(CONFIG_MAPS, theirs, { fieldManager: 'theirs', force: false }))).to.satisfy(
      isConflict,
    );
    await client.apply(CONFIG_MAPS, theirs, { fieldManager: 'theirs', force: true });
    // What is no longer applied goes away; what another took stays.
    const left = await client.apply<Thing>(CONFIG_MAPS, { metadata: key }, mine);
    expect(left.data).to.deep.equal({ a: '2' });
  });

  it('writes the status alone by the status subresource', async () => {
    // A kind that no controller writes to beside the test, as they do to Nodes.
    const { metadata } = await client.create<Thing>(NAMESPACES, { metadata: { name: key.name } });
    const condition = { type: 'Test', status: 'True' };
    const how = { subresource: 'status', metadataOnly: true } as const;
    const answer = await client.mergePatch<Thing>(NAMESPACES, metadata, { status: { conditions: [condition] } }, how);
    const read = await client.get<Thing>(NAMESPACES, metadata);
    expect(read.status?.conditions?.[0]).to.include(condition);
    expect(answer).to.have.all.keys('kind', 'apiVersion', 'metadata').and.include({ kind: 'PartialObjectMetadata' });
    expect(answer.metadata).to.deep.equal(read.metadata);
    await client.delete(NAMESPACES, metadata);
  });

  it('says why the API server refuses', async () => {
    const invalid = await failure(client.create(DAEMON_SETS, { metadata: key, spec: {} }));
    expect(invalid).to.satisfy(isInvalid);
    expect(String(invalid)).to.contain('spec.template');
    const kubeconfig = await controlPlane().tokenKubeconfig({ namespace: 'default', serviceAccount: 'default' });
    const forbidden = await failure(reach(kubeconfig).list(NODES));
    expect(forbidden).to.satisfy(isForbidden);
    expect(String(forbidden)).to.contain('system:serviceaccount:default:default');
    expect(await failure(client.list({ ...NODES, plural: 'missing' }))).to.satisfy(isNotFound);
  });

  it('records Events that kubectl shows, and their repetitions as a series', async () => {
    const errors: unknown[] = [];
    const recorder = createEventRecorder({
      client,
      controller: 'example.test/tests',
      instance: 'tests',
      clock: systemClock,
      random: Math.random,
      onError: (error) => errors.push(error),
    });
    const regarding = { apiVersion: 'v1', kind: 'Node', name: key.name };
    for (let time = 0; time < 3; time++) {
      recorder.record({ regarding, type: 'Warning', reason: 'Tested', action: 'Test', note: 'ä'.repeat(2000) });
      await recorder.flush();
    }
    await recorder.stop();
    expect(errors).to.deep.equal([]);
    const { items } = await client.list<{ series?: { count: number }; reason: string }>(EVENTS, {
      namespace: 'default',
      fieldSelector: `regarding.name=${key.name}`,
    });
    expect(items.map(({ reason, series }) => [reason, series?.count])).to.deep.equal([['Tested', 3]]);
    const shown = await controlPlane().kubectl(['events', `--for=node/${key.name}`, '--no-headers']);
    expect(shown.stdout).to.contain('Tested');
  });
});

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  );
}
