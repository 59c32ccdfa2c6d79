import type { RevisionContent } from '../api/revision.ts';
import type { Clock } from '../kube/clock.ts';
import type { KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { retryDelay } from '../kube/backoff.ts';
import { CONTROLLER_REVISIONS } from '../kube/resource.ts';
import type { Logger } from '../log.ts';
import { currentRevisions } from './current-revisions.ts';
import type { CurrentRevision } from './current-revisions.ts';
import type { PreparedRevision } from './prepared-revision.ts';
import { readContent, RevisionInvalidError } from './revision-content.ts';
import type { RevisionHead } from './revision-content.ts';
import type { RevisionStore } from './revision-store.ts';
import { createWake } from './wake.ts';

/** The revisions that count, with their texts in the store: each is fetched once. */
export interface RevisionsSource {
  /** What the API server lists now; before its first answer the last known ones stand in. */
  replaceHeads(heads: readonly RevisionHead[]): void;
  /** Names of all revisions listed. */
  names(): ReadonlySet<string>;
  /** By object uid. */
  current(): ReadonlyMap<string, CurrentRevision<RevisionHead>>;
  prepared(name: string): PreparedRevision | undefined;
  /** Revisions that cannot be used, with why. */
  invalid(): readonly { head: RevisionHead; message: string }[];
  /** Whether every object's newest revision is here, or cannot be used. */
  complete(): boolean;
  /** Whether texts are being fetched; false while the API server does not give them. */
  fetching(): boolean;
  /** The text was lost from the store: fetch it again. */
  forget(name: string): void;
  /** Takes from the store what is there. */
  restore(): Promise<void>;
  /** Fetches what is not in the store, until the signal aborts. */
  run(): Promise<void>;
}

export interface RevisionsSourceOptions {
  client: KubeClient;
  namespace: string;
  store: RevisionStore;
  prepare: (head: RevisionHead, content: RevisionContent) => PreparedRevision;
  onChange: () => void;
  signal: AbortSignal;
  clock: Clock;
  random: () => number;
  log: Logger;
}

const BACKOFF = { baseMs: 1_000, maxMs: 30_000 };
const LONG_MS = 3_600_000;

export function createRevisionsSource(options: RevisionsSourceOptions): RevisionsSource {
  const { client, namespace, store, signal, clock, log } = options;
  const wake = createWake(clock);
  let heads: readonly RevisionHead[] = [];
  const prepared = new Map<string, PreparedRevision>();
  const unusable = new Map<string, string>();
  const gone = new Set<string>();
  let failed = 0;

  const current = (): ReadonlyMap<string, CurrentRevision<RevisionHead>> =>
    currentRevisions(heads, (head) => prepared.has(head.name));

  /** One that cannot be used gives way to the one before it, as one that does not compile does. */
  const missing = (): readonly RevisionHead[] => {
    const worthTrying = heads.filter(({ name }) => !unusable.has(name) && !gone.has(name));
    return [...currentRevisions(worthTrying, () => false).values()]
      .map(({ newest }) => newest)
      .filter(({ name }) => !prepared.has(name));
  };

  /**
   * From the memory of the API server, which also told of the revision: it asks etcd for each text otherwise, for all nodes at once.
   * Another API server may not have heard of it yet.
   */
  const fetchData = async (name: string): Promise<unknown> => {
    const ask = (freshness: 'latest' | 'cached'): Promise<{ data?: unknown }> =>
      client.get(CONTROLLER_REVISIONS, { namespace, name }, { freshness, signal });
    const { data } = await ask('cached').catch((error: unknown) => {
      if (isNotFound(error)) return ask('latest');
      throw error;
    });
    return data;
  };

  const fetch = async (head: RevisionHead): Promise<void> => {
    const content = readContent(head, await fetchData(head.name));
    await store.save(head, content);
    prepared.set(head.name, options.prepare(head, content));
  };

  const restore = async (): Promise<void> => {
    for (const head of missing()) {
      const stored = await store.read(head);
      if (stored === undefined) continue;
      prepared.set(head.name, options.prepare(head, stored));
      options.onChange();
    }
  };

  /** Returns what went wrong if it is worth another try. */
  const fetchOrSkip = async (head: RevisionHead): Promise<unknown> => {
    try {
      await fetch(head);
    } catch (error) {
      if (isNotFound(error)) gone.add(head.name);
      else if (error instanceof RevisionInvalidError) {
        log.error('a revision cannot be used', { revision: head.name, error });
        unusable.set(head.name, error.message);
      } else return error;
      // There may be an earlier one to fetch instead.
      wake.call();
    }
    options.onChange();
    return undefined;
  };

  /** First all that is on the node, as fetching may have to wait for the API server. */
  const bringMissing = async (): Promise<unknown> => {
    await restore();
    let problem: unknown;
    for (const head of missing()) {
      if (signal.aborted) return undefined;
      problem = (await fetchOrSkip(head)) ?? problem;
    }
    return problem;
  };

  return {
    replaceHeads(next) {
      heads = next;
      const names = new Set(next.map(({ name }) => name));
      for (const known of [prepared, unusable, gone]) {
        for (const name of known.keys()) if (!names.has(name)) known.delete(name);
      }
      gone.clear();
      wake.call();
      options.onChange();
    },
    names: () => new Set(heads.map(({ name }) => name)),
    current,
    prepared: (name) => prepared.get(name),
    invalid: () =>
      heads.flatMap((head) => {
        const message = unusable.get(head.name);
        return message === undefined ? [] : [{ head, message }];
      }),
    complete: () => missing().length === 0,
    fetching: () => failed === 0 && missing().length > 0,
    forget(name) {
      prepared.delete(name);
      wake.call();
    },
    restore,
    async run() {
      while (!signal.aborted) {
        const problem = await bringMissing();
        failed = problem === undefined ? 0 : failed + 1;
        const pause = problem === undefined ? LONG_MS : retryDelay(failed - 1, problem, BACKOFF, options.random);
        if (problem !== undefined && !signal.aborted) {
          log.warn('revisions could not be fetched', { error: problem, retryInMs: Math.round(pause) });
        }
        await wake.wait(pause, signal);
      }
    },
  };
}
