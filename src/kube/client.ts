import { KubeError } from './errors.ts';
import { apiVersionOf, collectionPath, keyOf, objectPath } from './resource.ts';
import type { KubeObject, ObjectKey, Resource } from './resource.ts';
import type { Transport } from './transport.ts';

export type { ObjectKey } from './resource.ts';

/** Typed requests, one method per verb. Every method throws KubeError, or the signal's reason if the caller aborts. */
export interface KubeClient {
  get<T>(resource: Resource, key: ObjectKey, options?: GetOptions): Promise<T>;
  /** All pages. Large collections belong into a watch cache, which keeps projections. */
  list<T>(resource: Resource, options?: ListOptions): Promise<ObjectList<T>>;
  create<T>(resource: Resource, object: T & KubeObject, options?: RequestOptions): Promise<T>;
  /** PUT; refused with a conflict if the object carries a resourceVersion that is no longer the current one. */
  update<T>(resource: Resource, object: T & KubeObject, options?: SubresourceOptions): Promise<T>;
  /** Server-side apply; `apiVersion` and `kind` are filled in from the resource. */
  apply<T>(resource: Resource, object: object, options: ApplyOptions): Promise<T>;
  mergePatch<T>(resource: Resource, key: ObjectKey, patch: object, options?: PatchOptions): Promise<T>;
  /** Resolves when the deletion is accepted. A uid or resourceVersion that no longer fits is a conflict. */
  delete(resource: Resource, key: ObjectKey, options?: DeleteOptions): Promise<void>;
}

export interface RequestOptions {
  signal?: AbortSignal;
}

export interface GetOptions extends RequestOptions {
  /** `cached`: from the API server's memory, possibly some seconds old; what is not there yet is a NotFound. */
  freshness?: 'latest' | 'cached';
}

export interface SubresourceOptions extends RequestOptions {
  subresource?: 'status';
}

export interface PatchOptions extends SubresourceOptions {
  /** The answer is PartialObjectMetadata: for whoever hears by a watch what became of the object. */
  metadataOnly?: boolean;
}

export interface ApplyOptions extends SubresourceOptions {
  fieldManager: string;
  force: boolean;
}

export interface DeleteOptions extends RequestOptions {
  uid?: string;
  resourceVersion?: string;
}

export interface ListOptions extends RequestOptions {
  /** Absent: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** `cached`: from the API server's memory, possibly some seconds old, in one answer whatever its size. */
  freshness?: 'latest' | 'cached';
  metadataOnly?: boolean;
}

export interface ObjectList<T> {
  items: T[];
  resourceVersion: string;
}

export function createKubeClient(transport: Transport): KubeClient {
  return {
    get: (resource, key, options) =>
      request(
        transport,
        'GET',
        objectPath(resource, key),
        options,
        options?.freshness === 'cached' ? { query: { resourceVersion: '0' } } : {},
      ),
    list: (resource, options) => listAll(transport, resource, options),
    create: (resource, object, options) =>
      request(transport, 'POST', collectionPath(resource, object.metadata?.namespace), options, {
        body: { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object },
      }),
    update: (resource, object, options) =>
      request(transport, 'PUT', objectPath(resource, keyIn(object), options?.subresource), options, {
        body: { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object },
      }),
    apply: (resource, object, options) =>
      request(transport, 'PATCH', objectPath(resource, keyIn(object), options.subresource), options, {
        body: { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind },
        contentType: 'application/apply-patch+yaml',
        query: { fieldManager: options.fieldManager, force: options.force },
      }),
    mergePatch: (resource, key, patch, options) =>
      request(transport, 'PATCH', objectPath(resource, key, options?.subresource), options, {
        body: patch,
        contentType: 'application/merge-patch+json',
        ...(options?.metadataOnly === true ? { accept: PARTIAL_OBJECT } : {}),
      }),
    delete: (resource, key, options) => deleteObject(transport, resource, key, options),
  };
}

async function request<T>(
  transport: Transport,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH',
  path: string,
  options: RequestOptions | undefined,
  more: { body?: object; contentType?: string; accept?: string; query?: Record<string, string | boolean> } = {},
): Promise<T> {
  const signal = options?.signal;
  const answer = await transport.request({ method, path, ...more, ...(signal === undefined ? {} : { signal }) });
  return answer.body as T;
}

async function deleteObject(
  transport: Transport,
  resource: Resource,
  key: ObjectKey,
  options: DeleteOptions = {},
): Promise<void> {
  const { signal, uid, resourceVersion } = options;
  await transport.request({
    method: 'DELETE',
    path: objectPath(resource, key),
    body: { preconditions: { uid, resourceVersion }, propagationPolicy: 'Background' },
    ...(signal === undefined ? {} : { signal }),
  });
}

async function listAll<T>(transport: Transport, resource: Resource, options: ListOptions = {}): Promise<ObjectList<T>> {
  const items: T[] = [];
  let resourceVersion = '';
  for await (const page of listPages<T>(transport, resource, options)) {
    items.push(...page.items);
    resourceVersion = page.resourceVersion;
  }
  return { items, resourceVersion };
}

/** Objects per page: client-go's. */
const PAGE_SIZE = 500;

/** One object, also in a watch's events. */
export const PARTIAL_OBJECT = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * The pages of one consistent list. Where a page would be larger than the transport's bound (policies may have 512 KiB
 * each), it is asked for again with half the objects. Throws a KubeError for which `isGone` holds if the list took so
 * long that its snapshot was compacted: begin again.
 */
export async function* listPages<T>(
  transport: Transport,
  resource: Resource,
  options: ListOptions = {},
): AsyncGenerator<ObjectList<T>> {
  let limit = PAGE_SIZE;
  let next: string | undefined;
  do {
    let page: ListBody<T>;
    try {
      page = await listPage<T>(transport, resource, options, limit, next);
    } catch (error) {
      if (!(error instanceof KubeError) || error.reason !== 'ResponseTooLarge' || limit === 1) throw error;
      limit = Math.ceil(limit / 4);
      continue;
    }
    yield { items: page.items, resourceVersion: page.resourceVersion };
    next = page.next;
    if (next === undefined) return;
  } while (true);
}

interface ListBody<T> extends ObjectList<T> {
  next?: string;
}

async function listPage<T>(
  transport: Transport,
  resource: Resource,
  options: ListOptions,
  limit: number,
  next: string | undefined,
): Promise<ListBody<T>> {
  const path = collectionPath(resource, options.namespace);
  const cached = options.freshness === 'cached';
  const { body } = await transport.request({
    method: 'GET',
    path,
    query: {
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
      limit: cached ? undefined : limit,
      continue: next,
      resourceVersion: cached ? '0' : undefined,
    },
    ...(options.metadataOnly === true ? { accept: PARTIAL_LIST } : {}),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const list = body as { items?: T[] | null; metadata?: { resourceVersion?: string; continue?: string } };
  if (list.metadata?.resourceVersion === undefined) {
    throw new KubeError({ status: 0, reason: 'InvalidResponse', message: `GET ${path}: the answer is not a list` });
  }
  return {
    items: list.items ?? [],
    resourceVersion: list.metadata.resourceVersion,
    ...(list.metadata.continue ? { next: list.metadata.continue } : {}),
  };
}

function keyIn(object: KubeObject): ObjectKey {
  const { name, namespace } = object.metadata ?? {};
  if (name === undefined) throw new TypeError(`an object without a name: ${keyOf(object)}`);
  return { name, ...(namespace === undefined ? {} : { namespace }) };
}
