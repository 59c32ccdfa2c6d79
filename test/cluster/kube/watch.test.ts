import { expect } from 'chai';
import { createKubeClient } from '../../../src/kube/client.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { CONFIG_MAPS, NAMESPACES } from '../../../src/kube/resource.ts';
import type { KubeObject, PartialObject } from '../../../src/kube/resource.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import type { KubeRequest, Transport } from '../../../src/kube/transport.ts';
import { startWatchCache } from '../../../src/kube/watch-cache.ts';
import { controlPlane, namePrefix } from '../fixture.ts';
import { waitFor } from '../../testbed/process.ts';

interface ConfigMap extends KubeObject {
  metadata: { name: string; namespace: string; resourceVersion?: string; labels?: Record<string, string> };
  data?: Record<string, string>;
}

const soon = { deadlineMs: 20_000, intervalMs: 20 };

describe('watches on a real API server', function () {
  this.timeout(120_000);
  let transport: Transport;
  let client: KubeClient;
  let stop: AbortController;
  let prefix: string;

  beforeEach(function () {
    prefix = namePrefix(this);
    stop = new AbortController();
    transport = createTransport(kubeconfigAccess(controlPlane().kubeconfig), { userAgent: 'tests', timeoutMs: 30_000 });
    client = createKubeClient(transport);
  });

  afterEach(async () => {
    await transport.request({
      method: 'DELETE',
      path: '/api/v1/namespaces/default/configmaps',
      query: { labelSelector: ours() },
    });
    stop.abort();
    await transport.close();
  });

  const ours = (): string => `test=${prefix}label`;
  const watching = { resource: CONFIG_MAPS, namespace: 'default', clock: systemClock, random: Math.random };

  function configMap(name: string, data: Record<string, string>, namespace = 'default'): ConfigMap {
    return { metadata: { name: `${prefix}${name}`, namespace, labels: { test: `${prefix}label` } }, data };
  }

  it('lists 5,000 objects in pages, and hears of the next', async () => {
    // In a namespace that is left behind: to delete them would take half as long again.
    const namespace = `${prefix}many`;
    await client.create(NAMESPACES, { metadata: { name: namespace } });
    await inParallel(50, 5000, (index) =>
      client.create(CONFIG_MAPS, configMap(`${index}`, { index: `${index}` }, namespace)),
    );
    const requests: KubeRequest[] = [];
    const counting: Transport = {
      ...transport,
      request: (request) => {
        requests.push(request);
        return transport.request(request);
      },
    };
    const startedAt = performance.now();
    const cache = startWatchCache<ConfigMap, string>({
      ...watching,
      transport: counting,
      namespace,
      labelSelector: ours(),
      signal: stop.signal,
      project: ({ data }) => data?.['index'],
      onChange: () => undefined,
    });
    await cache.ready;
    console.log(`      5,000 objects listed in ${Math.round(performance.now() - startedAt)} ms`);
    expect(requests).to.have.length(10);
    expect(cache.size()).to.equal(5000);
    expect(new Set(cache.values()).size).to.equal(5000);
    await client.create(CONFIG_MAPS, configMap('next', { index: 'next' }, namespace));
    await waitFor('the next object', soon, () => cache.get(`${namespace}/${prefix}next`) === 'next');
    expect((await client.list(CONFIG_MAPS, { namespace, labelSelector: ours() })).items).to.have.length(5001);
  });

  it('sees metadata only where it asks for no more: in the list, in events and in deletions', async () => {
    const secret = 'must-not-cross-the-wire';
    await client.create(CONFIG_MAPS, configMap('listed', { text: secret }));
    const wire: string[] = [];
    const objects: object[] = [];
    const cache = startWatchCache<PartialObject, string>({
      ...watching,
      transport: listening(transport, wire),
      labelSelector: ours(),
      metadataOnly: true,
      firstList: 'cached',
      signal: stop.signal,
      project: (object) => {
        objects.push(object);
        return object.metadata.name;
      },
      onChange: () => undefined,
    });
    await cache.ready;
    await client.create(CONFIG_MAPS, configMap('watched', { text: secret }));
    await waitFor('both', soon, () => cache.size() === 2);
    await client.delete(CONFIG_MAPS, { namespace: 'default', name: `${prefix}listed` });
    await waitFor('the deletion', soon, () => cache.size() === 1);
    expect(objects).to.have.length(2);
    for (const object of objects) expect(object).to.have.property('kind', 'PartialObjectMetadata');
    expect(wire.some((line) => line.includes('DELETED'))).to.equal(true);
    expect(wire.join('\n')).not.to.contain(secret);
  });

  it('moves on by bookmarks while only other objects change', async () => {
    const positions: string[] = [];
    const short: Transport = {
      ...transport,
      stream: (request) => {
        positions.push(String(request.query?.['resourceVersion']));
        // The API server sends a bookmark before it ends a watch, else once a minute.
        return transport.stream({ ...request, query: { ...request.query, timeoutSeconds: 4 } });
      },
    };
    const cache = startWatchCache<ConfigMap, string>({
      ...watching,
      transport: short,
      labelSelector: ours(),
      signal: stop.signal,
      project: ({ metadata }) => metadata.name,
      onChange: () => expect.fail('no object of ours changes'),
    });
    await cache.ready;
    const other = { ...configMap('other', {}), metadata: { name: `${prefix}other`, namespace: 'default' } };
    await client.create(CONFIG_MAPS, other);
    await client.delete(CONFIG_MAPS, other.metadata);
    await waitFor('a second watch', soon, () => positions.length > 1);
    expect(Number(positions[1])).to.be.greaterThan(Number(positions[0]));
  });
});

/** Runs `work` for 0 to `count` - 1, `width` of them at once. */
async function inParallel(width: number, count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  async function worker(): Promise<void> {
    for (let index = next++; index < count; index = next++) await work(index);
  }
  await Promise.all(Array.from({ length: width }, worker));
}

/** Everything that comes in also goes to `wire`. */
function listening(transport: Transport, wire: string[]): Transport {
  return {
    ...transport,
    async request(request) {
      const response = await transport.request(request);
      wire.push(JSON.stringify(response.body));
      return response;
    },
    async stream(request) {
      const stream = await transport.stream(request);
      async function* lines(): AsyncGenerator<string> {
        for await (const line of stream.lines) {
          wire.push(line);
          yield line;
        }
      }
      return { ...stream, lines: lines() };
    },
  };
}
