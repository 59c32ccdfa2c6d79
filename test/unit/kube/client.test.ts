import { expect } from 'chai';
import { createKubeClient, listPages } from '../../../src/kube/client.ts';
import { CONTROLLER_REVISIONS, LEASES, NODES } from '../../../src/kube/resource.ts';
import { createScriptedTransport, failure } from './scripted-transport.ts';

const key = { namespace: 'ns', name: 'a' };
const path = '/apis/apps/v1/namespaces/ns/controllerrevisions';

describe('client', () => {
  it('makes one request per verb', async () => {
    const transport = createScriptedTransport();
    const client = createKubeClient(transport);
    const object = { metadata: key, data: 1 };
    const whole = { apiVersion: 'apps/v1', kind: 'ControllerRevision', ...object };
    transport.answers.push(...Array.from({ length: 9 }, () => object));
    const { signal } = new AbortController();
    expect(await client.get(CONTROLLER_REVISIONS, key, { signal })).to.equal(object);
    await client.get(CONTROLLER_REVISIONS, key, { freshness: 'cached' });
    await client.create(CONTROLLER_REVISIONS, object);
    await client.update(CONTROLLER_REVISIONS, object, { subresource: 'status', signal });
    await client.apply(
      CONTROLLER_REVISIONS,
      { ...object, kind: 'Other' },
      {
        fieldManager: 'me',
        force: true,
      },
    );
    await client.mergePatch(CONTROLLER_REVISIONS, key, { data: null }, { subresource: 'status' });
    await client.mergePatch(CONTROLLER_REVISIONS, key, { data: {} }, { metadataOnly: true });
    await client.delete(CONTROLLER_REVISIONS, key, { uid: 'u', resourceVersion: '5' });
    await client.delete(CONTROLLER_REVISIONS, key);
    expect(transport.requests).to.deep.equal([
      { method: 'GET', path: `${path}/a`, signal },
      { method: 'GET', path: `${path}/a`, query: { resourceVersion: '0' } },
      { method: 'POST', path, body: whole },
      { method: 'PUT', path: `${path}/a/status`, body: whole, signal },
      {
        method: 'PATCH',
        path: `${path}/a`,
        body: whole,
        contentType: 'application/apply-patch+yaml',
        query: { fieldManager: 'me', force: true },
      },
      { method: 'PATCH', path: `${path}/a/status`, body: { data: null }, contentType: 'application/merge-patch+json' },
      {
        method: 'PATCH',
        path: `${path}/a`,
        body: { data: {} },
        contentType: 'application/merge-patch+json',
        accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
      },
      {
        method: 'DELETE',
        path: `${path}/a`,
        body: { preconditions: { uid: 'u', resourceVersion: '5' }, propagationPolicy: 'Background' },
      },
      {
        method: 'DELETE',
        path: `${path}/a`,
        body: { preconditions: { uid: undefined, resourceVersion: undefined }, propagationPolicy: 'Background' },
      },
    ]);
  });

  it('refuses objects without a name before it asks anybody', () => {
    const transport = createScriptedTransport();
    const client = createKubeClient(transport);
    expect(() => client.update(LEASES, { metadata: { namespace: 'ns' } })).to.throw(TypeError, 'without a name');
    expect(() => client.apply(NODES, {}, { fieldManager: 'me', force: false })).to.throw(TypeError, 'without a name');
    expect(transport.requests).to.deep.equal([]);
  });

  describe('lists', () => {
    it('are put together from pages', async () => {
      const transport = createScriptedTransport();
      transport.answers.push(page([1, 2], 'x'), page([3], 'y'), page(null));
      const list = await createKubeClient(transport).list<number>(NODES, { labelSelector: 'a' });
      expect(list).to.deep.equal({ items: [1, 2, 3], resourceVersion: '7' });
      expect(transport.requests.map(({ query }) => query?.['continue'])).to.deep.equal([undefined, 'x', 'y']);
    });

    it('ask for fewer objects at once where a page is too large, and go on from there', async () => {
      const transport = createScriptedTransport();
      const tooLarge = failure(0, 'ResponseTooLarge');
      transport.answers.push(page([1], 'x'), tooLarge, tooLarge, page([2], 'y'), page([3]));
      const list = await createKubeClient(transport).list<number>(NODES);
      expect(list.items).to.deep.equal([1, 2, 3]);
      expect(transport.requests.map(({ query }) => [query?.['limit'], query?.['continue']])).to.deep.equal([
        [500, undefined],
        [500, 'x'],
        [125, 'x'],
        [32, 'x'],
        [32, 'y'],
      ]);
    });

    it('fail where even one object is too large, and at any other error', async () => {
      for (const error of [failure(0, 'ResponseTooLarge'), failure(410, 'Expired')]) {
        const transport = createScriptedTransport();
        transport.answers.push(...Array.from({ length: 10 }, () => error));
        const outcome = await createKubeClient(transport)
          .list(NODES)
          .catch((thrown: unknown) => thrown);
        expect(outcome).to.equal(error);
      }
    });

    it('fail where the answer is no list', async () => {
      const transport = createScriptedTransport();
      transport.answers.push({ kind: 'Node' });
      const outcome = await listPages(transport, NODES)
        .next()
        .catch((error: unknown) => error);
      expect(outcome).to.include({ reason: 'InvalidResponse' });
    });
  });
});

function page(items: number[] | null, next?: string): object {
  return { metadata: { resourceVersion: '7', ...(next === undefined ? {} : { continue: next }) }, items };
}
