import type { KubeClient } from '../../../src/kube/client.ts';
import { KubeError } from '../../../src/kube/errors.ts';
import { keyOf } from '../../../src/kube/resource.ts';
import type { KubeObject, Resource } from '../../../src/kube/resource.ts';

/** A KubeClient over objects in memory that checks resourceVersions as the API server does. Apply is not supported. */
export interface InMemoryClient extends KubeClient {
  /** As stored, or undefined. */
  object(resource: Resource, key: string): Record<string, unknown> | undefined;
  /** Verb and key of every request, failed ones too. */
  requests: string[];
  /** Thrown by every request until it is undefined again. */
  failure: Error | undefined;
}

type Stored = KubeObject & Record<string, unknown>;

export function createInMemoryClient(): InMemoryClient {
  const objects = new Map<string, Stored>();
  let version = 0;

  function store<T>(id: string, object: object): T {
    version += 1;
    const { metadata } = object as KubeObject;
    const stored = structuredClone({ ...object, metadata: { ...metadata, resourceVersion: String(version) } });
    objects.set(id, stored);
    return structuredClone(stored) as T;
  }

  function existing(id: string): Stored {
    const object = objects.get(id);
    if (object === undefined) throw failed(404, 'NotFound', id);
    return object;
  }

  async function begin(verb: string, resource: Resource, key: string): Promise<string> {
    client.requests.push(`${verb} ${key}`);
    await Promise.resolve();
    if (client.failure !== undefined) throw client.failure;
    return `${resource.plural} ${key}`;
  }

  const client: InMemoryClient = {
    requests: [],
    failure: undefined,
    object: (resource, key) => objects.get(`${resource.plural} ${key}`),
    async get<T>(resource: Resource, key: { namespace?: string; name: string }) {
      return structuredClone(existing(await begin('get', resource, keyOf({ metadata: key })))) as T;
    },
    async list<T>(resource: Resource) {
      await begin('list', resource, '');
      const items = [...objects].filter(([id]) => id.startsWith(`${resource.plural} `)).map(([, object]) => object);
      return { items: structuredClone(items) as T[], resourceVersion: String(version) };
    },
    async create<T>(resource: Resource, object: T & KubeObject) {
      const id = await begin('create', resource, keyOf(object));
      if (objects.has(id)) throw failed(409, 'AlreadyExists', id);
      return store<T>(id, object);
    },
    async update<T>(resource: Resource, object: T & KubeObject) {
      const id = await begin('update', resource, keyOf(object));
      const expected = object.metadata?.resourceVersion;
      if (expected !== undefined && expected !== existing(id).metadata?.resourceVersion) {
        throw failed(409, 'Conflict', id);
      }
      return store<T>(id, object);
    },
    async mergePatch<T>(resource: Resource, key: { namespace?: string; name: string }, patch: object) {
      const id = await begin('patch', resource, keyOf({ metadata: key }));
      return store<T>(id, { ...existing(id), ...patch });
    },
    async delete(resource, key) {
      const id = await begin('delete', resource, keyOf({ metadata: key }));
      existing(id);
      objects.delete(id);
    },
    apply: () => Promise.reject(new Error('apply is not supported in memory')),
  };
  return client;
}

function failed(status: number, reason: string, id: string): KubeError {
  return new KubeError({ status, reason, message: `${id}: ${reason}` });
}
