import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createKubeClient, listPages } from '../../../src/kube/client.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { isGone } from '../../../src/kube/errors.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';
import { CONFIG_MAPS } from '../../../src/kube/resource.ts';
import type { KubeObject, Resource } from '../../../src/kube/resource.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import type { Transport } from '../../../src/kube/transport.ts';
import { startWatchCache } from '../../../src/kube/watch-cache.ts';
import type { WatchCache } from '../../../src/kube/watch-cache.ts';
import { defaultCacheFolder } from '../../testbed/cache.ts';
import { startControlPlane } from '../../testbed/control-plane.ts';
import type { ControlPlane } from '../../testbed/control-plane.ts';
import { createOwner, waitFor } from '../../testbed/process.ts';
import type { Owner } from '../../testbed/process.ts';
import { startProxy } from '../../unit/kube/proxy.ts';
import type { Proxy } from '../../unit/kube/proxy.ts';

interface Labelled extends KubeObject {
  metadata: { name: string; namespace: string; resourceVersion?: string; labels: Record<string, string> };
  data?: Record<string, string>;
}

interface Watching {
  cache: WatchCache<string>;
  changes: string[];
  errors: unknown[];
  /** Lists, counted by their first pages. */
  lists: () => number;
  network: Proxy;
}

/** Served from etcd itself in the control plane below, so that its compaction shows at once. */
const SECRETS: Resource = { group: '', version: 'v1', plural: 'secrets', namespaced: true, kind: 'Secret' };
const namespace = 'default';
const labelSelector = 'test=outages';
const soon = { deadlineMs: 60_000, intervalMs: 20 };

describe('outages of a real API server', function () {
  this.timeout(120_000);
  const watches = createOwner();
  let owner: Owner;
  let controlPlane: ControlPlane;
  let transport: Transport;
  let client: KubeClient;

  // One of its own: other tests would not survive what is done to it.
  before(async function () {
    this.timeout(60 * 60_000);
    owner = createOwner();
    const folder = await mkdtemp(join(tmpdir(), 'apparmor-operator-'));
    owner.add(() => rm(folder, { recursive: true, force: true }));
    controlPlane = await startControlPlane({
      cache: { folder: defaultCacheFolder(process.env), log: console.log },
      folder,
      scheduler: false,
      apiServerArguments: ['--etcd-compaction-interval=1s', '--watch-cache-sizes=secrets#0'],
    });
    owner.add(controlPlane.stop);
    transport = createTransport(kubeconfigAccess(controlPlane.kubeconfig), { userAgent: 'tests', timeoutMs: 10_000 });
    owner.add(() => transport.close());
    client = createKubeClient(transport);
  });

  after(async function () {
    this.timeout(60_000);
    await owner.stop();
  });

  afterEach(() => watches.stop());

  async function watch(resource: Resource): Promise<Watching> {
    const access = kubeconfigAccess(controlPlane.kubeconfig);
    const network = await startProxy(access.url);
    const own = createTransport({ ...access, url: network.url }, { userAgent: 'tests', timeoutMs: 10_000 });
    const stopping = new AbortController();
    const changes: string[] = [];
    const errors: unknown[] = [];
    let lists = 0;
    const cache = startWatchCache<Labelled, string>({
      transport: {
        ...own,
        request(request) {
          if (request.query?.['continue'] === undefined) lists += 1;
          return own.request(request);
        },
      },
      resource,
      labelSelector,
      clock: systemClock,
      random: Math.random,
      signal: stopping.signal,
      project: ({ data }) => decode(resource, data?.['value'] ?? ''),
      onChange: (key, now, before) => changes.push(`${key.split('/')[1]}: ${before ?? '-'}→${now ?? '-'}`),
      onError: (error) => errors.push(error),
    });
    watches.add(async () => {
      stopping.abort();
      await cache.stopped;
      await own.close();
      await network.stop();
    });
    await cache.ready;
    return {
      cache,
      changes,
      errors,
      lists: () => lists,
      network,
    };
  }

  function create(resource: Resource, name: string, value: string): Promise<Labelled> {
    const metadata = { name, namespace, labels: { test: 'outages' } };
    return client.create<Labelled>(resource, { metadata, data: { value: encode(resource, value) } });
  }

  function change(resource: Resource, name: string, value: string): Promise<Labelled> {
    return client.mergePatch(resource, { name, namespace }, { data: { value: encode(resource, value) } });
  }

  it('delivers what happened while the network was down, without a list', async () => {
    await create(CONFIG_MAPS, 'changed', 'old');
    await create(CONFIG_MAPS, 'deleted', 'old');
    const { cache, changes, lists, network } = await watch(CONFIG_MAPS);
    changes.length = 0;
    network.cut();
    await change(CONFIG_MAPS, 'changed', 'new');
    await client.delete(CONFIG_MAPS, { name: 'deleted', namespace });
    await create(CONFIG_MAPS, 'created', 'new');
    network.mend();
    await waitFor('what was missed', soon, () => changes.length === 3);
    expect(changes).to.deep.equal(['changed: old→new', 'deleted: old→-', 'created: -→new']);
    expect(lists()).to.equal(1);
    expect(cache.keys().sort()).to.deep.equal(['default/changed', 'default/created']);
  });

  it('lists again when what was missed was compacted, and delivers the deletions too', async () => {
    await create(SECRETS, 'same', 'old');
    await create(SECRETS, 'changed', 'old');
    await create(SECRETS, 'deleted', 'old');
    const { changes, errors, lists, network } = await watch(SECRETS);
    changes.length = 0;
    network.cut();
    await change(SECRETS, 'changed', 'new');
    await client.delete(SECRETS, { name: 'deleted', namespace });
    const { metadata } = await create(SECRETS, 'created', 'new');
    // Of the last change, not of what was listed: the list may be newer than each object in it.
    await compacted(transport, metadata.resourceVersion ?? '');
    network.mend();
    await waitFor('what was missed', soon, () => changes.length === 3);
    expect(changes.sort()).to.deep.equal(['changed: old→new', 'created: -→new', 'deleted: old→-']);
    expect(errors.filter(isGone)).to.have.length(1);
    expect(lists()).to.equal(2);
    await create(SECRETS, 'later', 'new');
    await waitFor('the next event', soon, () => changes.at(-1) === 'later: -→new');
  });

  it('says that a list took too long for its pages to belong together', async () => {
    for (let index = 0; index < 501; index++) await create(SECRETS, `many-${index}`, 'x');
    const pages = listPages<Labelled>(transport, SECRETS, { labelSelector });
    const first = await pages.next();
    await change(SECRETS, 'many-0', 'y');
    await compacted(transport, first.value?.resourceVersion ?? '');
    const second = await pages.next().catch((error: unknown) => error);
    expect(second).to.satisfy(isGone);
  });

  it('loses nothing when the API server is killed and comes back', async () => {
    await create(CONFIG_MAPS, 'short-lived', 'old');
    const { cache, changes, errors, lists } = await watch(CONFIG_MAPS);
    changes.length = 0;
    await change(CONFIG_MAPS, 'created', 'before');
    await waitFor('the last event', soon, () => changes.length === 1);
    await controlPlane.killApiServer();
    await controlPlane.startApiServer();
    await change(CONFIG_MAPS, 'created', 'after');
    await client.delete(CONFIG_MAPS, { name: 'short-lived', namespace });
    await waitFor('both changes', soon, () => changes.length === 3);
    expect(changes.slice(1).sort()).to.deep.equal(['created: before→after', 'short-lived: old→-']);
    expect(cache.keys().sort()).to.deep.equal(['default/changed', 'default/created']);
    expect(errors.length).to.be.greaterThan(0);
    // An API server knows only what happened since its own first list: whether it still has the position is a race.
    expect(lists()).to.equal(1 + errors.filter(isGone).length);
  });
});

function encode(resource: Resource, value: string): string {
  return resource === SECRETS ? btoa(value) : value;
}

function decode(resource: Resource, value: string): string {
  return resource === SECRETS ? atob(value) : value;
}

/** Resolves when etcd has forgotten the revision. */
async function compacted(transport: Transport, resourceVersion: string): Promise<void> {
  const path = '/api/v1/secrets';
  await waitFor(`the compaction of ${resourceVersion}`, soon, async () => {
    const query = { resourceVersion, resourceVersionMatch: 'Exact', limit: 1 };
    const outcome = await transport.request({ method: 'GET', path, query }).catch((error: unknown) => error);
    return isGone(outcome);
  });
}
