import type { Clock } from './clock.ts';
import { ObjectStore } from './object-store.ts';
import { runReflector } from './reflector.ts';
import type { KubeObject, Resource } from './resource.ts';
import type { Transport } from './transport.ts';

/** What a process needs to know of all objects of a kind, kept up to date by a list and a watch. */
export interface WatchCache<P> {
  /** Resolves when the first full list is in and was delivered to `onChange`; rejects if the signal aborts before. */
  ready: Promise<void>;
  /** Key: `namespace/name`, or `name` of a cluster-scoped object. */
  get(key: string): P | undefined;
  values(): P[];
  keys(): string[];
  size(): number;
  /** Whether the first full list is in. Stays true through outages: what is known then is old, not wrong. */
  synced(): boolean;
  /** `clock.now()` when the server was last heard of: a list, the start of a watch, an event or a bookmark (about once a minute). */
  lastContact(): number;
  /** Resolves when the signal has aborted and nothing runs any more. */
  stopped: Promise<void>;
}

export interface WatchCacheOptions<T extends KubeObject, P> {
  transport: Transport;
  resource: Resource;
  /** Absent: all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Sees PartialObjectMetadata: spec, data and status never cross the wire. */
  metadataOnly?: boolean;
  /** `cached`: many clients list few objects at once, and may see a state some seconds old first. Default `latest`, in pages. */
  firstList?: 'latest' | 'cached';
  /** What to keep of an object; undefined: nothing, as if it did not exist. */
  project: (object: T) => P | undefined;
  /** Whether two projections mean the same, so that `onChange` need not hear of it. Default: every new resourceVersion counts. */
  same?: (now: P, before: P) => boolean;
  /** Called in order, after the cache has the new state. What it throws goes to `onError`; the watch goes on. */
  onChange: (key: string, now: P | undefined, before: P | undefined) => void;
  /** After every full list, the first included. */
  onSynced?: () => void;
  /** `retryInMs` is 0 for what `project` or `onChange` threw. */
  onError?: (error: unknown, retryInMs: number) => void;
  signal: AbortSignal;
  clock: Clock;
  random: () => number;
}

/**
 * Lists, then watches from there for as long as the signal does not abort. As client-go's reflector: goes on from the last
 * resourceVersion after every interruption, and lists again only if the server no longer has it; deletions that were missed
 * are delivered then. Any other error, 404 of the kind among them, leaves the cache as it was.
 */
export function startWatchCache<T extends KubeObject, P>(options: WatchCacheOptions<T, P>): WatchCache<P> {
  const onError = options.onError ?? (() => undefined);
  const store = new ObjectStore<T, P>({ ...options, onError: (error) => onError(error, 0) });
  const firstList = Promise.withResolvers<void>();
  // Whoever does not wait for `ready` has not asked to hear that the signal aborted.
  firstList.promise.catch(() => undefined);
  let synced = false;
  let lastContact = options.clock.now();

  const stopped = runReflector<T>({
    ...options,
    store,
    onError,
    onContact: () => {
      lastContact = options.clock.now();
    },
    onSynced: () => {
      synced = true;
      firstList.resolve();
      options.onSynced?.();
    },
  }).finally(() => firstList.reject(options.signal.reason));

  return {
    ready: firstList.promise,
    get: (key) => store.get(key),
    values: () => store.values(),
    keys: () => store.keys(),
    size: () => store.size(),
    synced: () => synced,
    lastContact: () => lastContact,
    stopped,
  };
}
