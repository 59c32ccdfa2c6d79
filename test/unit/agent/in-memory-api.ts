import { KubeError } from '../../../src/kube/errors.ts';
import { collectionPath, CONTROLLER_REVISIONS, NODES } from '../../../src/kube/resource.ts';
import type { KubeRequest, Transport } from '../../../src/kube/transport.ts';
import { APPARMOR_NODE } from '../../../src/api/resources.ts';
import { ANNOTATION, LABEL } from '../../../src/api/names.ts';
import type { RevisionContent } from '../../../src/api/revision.ts';
import { headOf } from './objects.ts';

interface Stored {
  metadata: { name: string; uid: string; resourceVersion: string } & Record<string, unknown>;
  [member: string]: unknown;
}

type Unstored = { metadata: { name: string; uid: string } & Record<string, unknown> } & Record<string, unknown>;

/** What an agent needs of an API server, in memory: lists, watches, GET and merge patches of status. */
export interface InMemoryApi {
  transport: Transport;
  /** Unreachable: every request fails and watches end. */
  down: boolean;
  setDown(down: boolean): void;
  putLabels(labels: Record<string, string>): void;
  putRevision(content: RevisionContent, sequence?: number, change?: object): string;
  deleteRevision(name: string): void;
  putAppArmorNode(uid?: string): void;
  deleteAppArmorNode(): void;
  /** Grants for this node's AppArmorNode, which keeps its status. */
  grant(unload: readonly object[]): void;
  status(): Record<string, unknown> | undefined;
  /** Writes of the status so far. */
  patches: object[];
  /** Names of ControllerRevisions that were fetched whole. */
  fetched: string[];
  /** Paths that this API server's memory does not have yet; etcd does. */
  unheardOf: Set<string>;
  /** Errors that the next requests with this verb get. */
  failures: { method: string; error: KubeError }[];
}

const NAMESPACE = 'apparmor-operator';
const NODE = 'node-a';
const PATHS = {
  revisions: collectionPath(CONTROLLER_REVISIONS, NAMESPACE),
  nodes: collectionPath(NODES),
  rows: collectionPath(APPARMOR_NODE),
} as const;

export function createInMemoryApi(): InMemoryApi {
  const collections = new Map<string, Map<string, Stored>>(Object.values(PATHS).map((path) => [path, new Map()]));
  const watches = new Set<{ path: string; put: (line: string | Error | undefined) => void }>();
  let version = 100;

  const inPath = (path: string): Map<string, Stored> => {
    const objects = collections.get(path);
    if (objects === undefined) throw notFound(path);
    return objects;
  };
  const tell = (path: string, type: string, object: Stored): void => {
    for (const watch of watches)
      if (watch.path === path) watch.put(JSON.stringify({ type, object: partial(path, object) }));
  };
  const put = (path: string, object: Unstored): Stored => {
    version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    const type = inPath(path).has(object.metadata.name) ? 'MODIFIED' : 'ADDED';
    inPath(path).set(object.metadata.name, stored);
    tell(path, type, stored);
    return stored;
  };
  const remove = (path: string, name: string): void => {
    const object = inPath(path).get(name);
    version += 1;
    inPath(path).delete(name);
    if (object !== undefined)
      tell(path, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
  };

  const check = (request: KubeRequest): void => {
    if (api.down) throw new KubeError({ status: 0, reason: 'ConnectionFailed', message: 'down' });
    const at = api.failures.findIndex(({ method }) => method === request.method);
    const [failure] = at < 0 ? [] : api.failures.splice(at, 1);
    if (failure !== undefined) throw failure.error;
  };

  const request = (asked: KubeRequest): unknown => {
    check(asked);
    if (collections.has(asked.path)) {
      const items = [...inPath(asked.path).values()].map((object) => partial(asked.path, object));
      return { items: structuredClone(items), metadata: { resourceVersion: String(version) } };
    }
    const [, path = '', name = ''] =
      /^(.*\/(?:controllerrevisions|nodes|apparmornodes))\/([^/]+)/.exec(asked.path) ?? [];
    const object = inPath(path).get(name);
    const isUnheardOf = asked.query?.['resourceVersion'] === '0' && api.unheardOf.has(asked.path);
    if (object === undefined || isUnheardOf) throw notFound(asked.path);
    if (asked.method === 'PATCH') {
      api.patches.push(asked.body ?? {});
      return structuredClone(put(path, merge(object, asked.body ?? {}) as Stored));
    }
    api.fetched.push(name);
    return structuredClone(object);
  };

  const api: InMemoryApi = {
    down: false,
    patches: [],
    fetched: [],
    unheardOf: new Set(),
    failures: [],
    setDown(down) {
      api.down = down;
      if (!down) return;
      for (const watch of watches) watch.put(new KubeError({ status: 0, reason: 'ConnectionFailed', message: 'down' }));
    },
    putLabels: (labels) => void put(PATHS.nodes, { metadata: { name: NODE, uid: 'uid-node', labels } }),
    putRevision(content, sequence = 1, change = {}) {
      const head = headOf(content, sequence);
      const annotations = {
        [ANNOTATION.object]: head.object,
        [ANNOTATION.revisionHash]: head.hash,
        [ANNOTATION.sequence]: String(sequence),
      };
      const labels = { [LABEL.revision]: 'true', [LABEL.objectUid]: head.objectUid };
      put(PATHS.revisions, {
        metadata: { name: head.name, uid: `uid-${head.name}`, labels, annotations },
        data: content,
        ...change,
      });
      return head.name;
    },
    deleteRevision: (name) => remove(PATHS.revisions, name),
    putAppArmorNode: (uid = 'uid-row') => void put(PATHS.rows, { metadata: { name: NODE, uid } }),
    deleteAppArmorNode: () => remove(PATHS.rows, NODE),
    grant(unload) {
      const row = inPath(PATHS.rows).get(NODE);
      if (row === undefined) throw notFound(NODE);
      put(PATHS.rows, { ...row, spec: { unload } });
    },
    status: () => inPath(PATHS.rows).get(NODE)?.['status'] as Record<string, unknown> | undefined,
    transport: {
      async request(asked) {
        await Promise.resolve();
        asked.signal?.throwIfAborted();
        return { status: 200, body: request(asked) };
      },
      async stream(asked) {
        await Promise.resolve();
        check(asked);
        const lines = queue<string>();
        const watch = { path: asked.path, put: lines.put };
        const from = Number(asked.query?.['resourceVersion']);
        for (const object of inPath(asked.path).values()) {
          if (Number(object.metadata.resourceVersion) > from) lines.put(JSON.stringify({ type: 'ADDED', object }));
        }
        watches.add(watch);
        const end = (): void => {
          watches.delete(watch);
          lines.put(undefined);
        };
        asked.signal?.addEventListener('abort', end);
        return { lines: lines.read(), close: end };
      },
      close: () => Promise.resolve(),
    },
  };
  return api;
}

/** As `metadataOnly` sees it: texts must never come by list or watch. */
function partial(path: string, object: Stored): Stored {
  return path === PATHS.revisions ? { metadata: object.metadata } : object;
}

function queue<T>(): { put: (item: T | Error | undefined) => void; read: () => AsyncGenerator<T> } {
  const items: (T | Error | undefined)[] = [];
  let wake: (() => void) | undefined;
  return {
    put(item) {
      items.push(item);
      wake?.();
    },
    async *read() {
      while (true) {
        while (items.length === 0) await new Promise<void>((resolve) => (wake = resolve));
        const item = items.shift();
        if (item === undefined) return;
        if (item instanceof Error) throw item;
        yield item;
      }
    },
  };
}

function merge(object: unknown, patch: unknown): unknown {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const merged = new Map(Object.entries(object ?? {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, merge(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

function notFound(path: string): KubeError {
  return new KubeError({ status: 404, reason: 'NotFound', message: path });
}
