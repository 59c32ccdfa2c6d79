import type { Backoff } from './backoff.ts';
import { retryDelay } from './backoff.ts';
import { listPages, PARTIAL_OBJECT } from './client.ts';
import type { Clock } from './clock.ts';
import { errorOfStatus, isGone, KubeError } from './errors.ts';
import type { Status } from './errors.ts';
import type { ReflectorStore } from './object-store.ts';
import { collectionPath } from './resource.ts';
import type { KubeObject, Resource } from './resource.ts';
import type { Transport } from './transport.ts';

export interface ReflectorOptions<T> {
  transport: Transport;
  resource: Resource;
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  metadataOnly?: boolean;
  firstList?: 'latest' | 'cached';
  store: ReflectorStore<T>;
  onContact: () => void;
  onSynced: () => void;
  onError: (error: unknown, retryInMs: number) => void;
  signal: AbortSignal;
  clock: Clock;
  random: () => number;
}

const BACKOFF: Backoff = { baseMs: 1000, maxMs: 30_000 };

/**
 * The server ends a watch after this long: the range that it takes itself when it is not asked. With client-go's 5 to 10 minutes,
 * 5,000 agents with three watches each opened 33 a second for ever; measured, that was a third of all that a busy API server did.
 */
const WATCH_SECONDS = { shortest: 1800, longest: 3600 };

/** A watch without even a bookmark for so long, which come once a minute, is taken for dead. */
const SILENT_MS = 300_000;

/** A watch that lived this long, or brought an event, was a success: the back-off begins anew. */
const HEALTHY_MS = 60_000;

/** Runs until the signal aborts; never rejects. */
export async function runReflector<T extends KubeObject>(options: ReflectorOptions<T>): Promise<void> {
  const { signal, clock, random, onError } = options;
  /** Where the next watch begins; undefined: list first. */
  let position: string | undefined;
  let freshness = options.firstList ?? 'latest';
  let failures = 0;
  let startedAt = clock.now();

  while (!signal.aborted) {
    try {
      if (position === undefined) {
        position = await list(options, freshness);
        options.onSynced();
      }
      startedAt = clock.now();
      await watch(options, position, (reached) => {
        position = reached;
        failures = 0;
      });
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (isGone(error)) {
        position = undefined;
        freshness = 'latest';
      }
      if (position !== undefined && clock.now() - startedAt >= HEALTHY_MS) failures = 0;
      const retryInMs = retryDelay(failures, error, BACKOFF, random);
      failures += 1;
      onError(error, retryInMs);
      await clock.sleep(retryInMs, signal);
    }
  }
}

async function list<T extends KubeObject>(
  options: ReflectorOptions<T>,
  freshness: 'latest' | 'cached',
): Promise<string> {
  const { store, onContact } = options;
  let resourceVersion = '';
  store.beginList();
  for await (const page of listPages<T>(options.transport, options.resource, { ...options, freshness })) {
    onContact();
    for (const object of page.items) store.upsert(object);
    resourceVersion = page.resourceVersion;
  }
  store.endList();
  return resourceVersion;
}

/**
 * Watches from a resourceVersion until the server ends the watch at its time, telling each position reached. Throws if it
 * ends otherwise; a KubeError for which `isGone` holds if the server no longer has the position.
 */
async function watch<T extends KubeObject>(
  options: ReflectorOptions<T>,
  position: string,
  onPosition: (reached: string) => void,
): Promise<void> {
  const { transport, resource, clock, onContact } = options;
  const path = collectionPath(resource, options.namespace);
  const { shortest, longest } = WATCH_SECONDS;
  const timeoutSeconds = Math.floor(shortest + options.random() * (longest - shortest));
  const startedAt = clock.now();
  const stream = await transport.stream({
    method: 'GET',
    path,
    query: {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: position,
      timeoutSeconds,
      labelSelector: options.labelSelector,
      fieldSelector: options.fieldSelector,
    },
    ...(options.metadataOnly === true ? { accept: PARTIAL_OBJECT } : {}),
    signal: options.signal,
  });
  onContact();
  let heardAt = clock.now();
  const silence = closeWhenSilent(
    clock,
    () => heardAt,
    () => stream.close(),
  );
  try {
    for await (const line of stream.lines) {
      heardAt = clock.now();
      onContact();
      const reached = take(options.store, path, line);
      if (reached !== undefined) onPosition(reached);
    }
  } finally {
    silence.abort();
  }
  if (clock.now() - startedAt < (timeoutSeconds - 1) * 1000) {
    const how = clock.now() - heardAt < SILENT_MS ? 'ended early' : `was silent for ${SILENT_MS / 1000} s`;
    // A server that stops ends its watches in an orderly way; all its clients coming back at once would hit the next one.
    throw new KubeError({ status: 0, reason: 'ConnectionFailed', message: `GET ${path}: the watch ${how}` });
  }
}

/** Until the returned controller is aborted. */
function closeWhenSilent(clock: Clock, heardAt: () => number, close: () => void): AbortController {
  const ended = new AbortController();
  const wait = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      const leftMs = heardAt() + SILENT_MS - clock.now();
      if (leftMs <= 0) return close();
      await clock.sleep(leftMs, ended.signal);
    }
  };
  void wait();
  return ended;
}

interface WatchEvent<T> {
  type: string;
  object?: T & Status;
}

/** Applies one event, and returns the resourceVersion that it brings the watch to. */
function take<T extends KubeObject>(store: ReflectorStore<T>, path: string, line: string): string | undefined {
  const { type, object } = parseEvent<T>(path, line);
  if (object === undefined) return undefined;
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      store.upsert(object);
      break;
    case 'DELETED':
      store.delete(object);
      break;
    case 'BOOKMARK':
      break;
    case 'ERROR':
      throw errorOfStatus(`GET ${path}`, object);
    default:
      return undefined;
  }
  return object.metadata?.resourceVersion;
}

function parseEvent<T>(path: string, line: string): WatchEvent<T> {
  try {
    return JSON.parse(line) as WatchEvent<T>;
  } catch (cause) {
    throw new KubeError({
      status: 0,
      reason: 'InvalidResponse',
      message: `GET ${path}: an event that is not JSON`,
      cause,
    });
  }
}
