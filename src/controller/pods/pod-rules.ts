import type { Labels } from '../../admission/pods/label-selector.ts';
import { createRuleBook, type RuleBook } from '../../admission/pods/rule-book.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { KubeClient } from '../../kube/client.ts';
import { NAMESPACES, type PartialObject } from '../../kube/resource.ts';
import { startWatchCache, type WatchCache } from '../../kube/watch-cache.ts';
import type { CacheParts } from '../caches.ts';
import type { SharedCaches } from '../shared-caches.ts';

/** What every replica knows for the pod webhook: the published rules and the labels of namespaces. */
export interface PodRules {
  /** Empty until the first list of revisions is in: nothing that is asked for is known then. */
  book: RuleBook;
  namespaces: WatchCache<Labels>;
  /** Called with the name of every namespace whose labels have changed; returns what ends it. */
  onNamespace(listener: (name: string) => void): () => void;
  /** From the API server. Throws KubeError. */
  readLabels(namespace: string, signal: AbortSignal): Promise<Labels>;
  /** Resolves when the signal of `parts` has aborted and nothing runs any more. */
  stopped: Promise<void>;
}

export type RulesSource = Pick<SharedCaches, 'profiles' | 'revisions' | 'inForce' | 'listen'>;

export function startPodRules(source: RulesSource, client: Pick<KubeClient, 'get'>, parts: CacheParts): PodRules {
  const listeners = new Set<(name: string) => void>();
  const namespaces = startWatchCache<PartialObject, Labels>({
    transport: parts.transport,
    resource: NAMESPACES,
    metadataOnly: true,
    project: ({ metadata }) => metadata.labels ?? {},
    same: (now, before) => canonicalJson(now) === canonicalJson(before),
    onChange: (name) => listeners.forEach((listener) => listener(name)),
    onError: (error, retryInMs) => parts.onError(NAMESPACES.kind, error, retryInMs),
    signal: parts.signal,
    clock: parts.clock,
    random: parts.random,
  });
  const { book, stop } = keepRuleBook(source);
  return {
    book,
    namespaces,
    onNamespace(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async readLabels(name, signal) {
      const { metadata } = await client.get<PartialObject>(NAMESPACES, { name }, { signal });
      return metadata.labels ?? {};
    },
    stopped: namespaces.stopped.then(stop),
  };
}

/**
 * The rule of each object: that of its revision in force, so that the last accepted one stays when a later spec is refused;
 * none once the object is gone, whose revisions the garbage collector takes away only some 20 s later (measured). Nothing
 * goes into the book before all is there: a part of the rules must not look like all of them.
 */
export function keepRuleBook(source: RulesSource): { book: RuleBook; stop: () => void } {
  const { profiles, revisions } = source;
  const book = createRuleBook();
  const uids = new Set<string>();
  let filled = false;

  function take(objectUid: string): void {
    const rule = source.inForce(objectUid)?.podRule;
    const holds = rule !== undefined && profiles.get(rule.object.name)?.uid === objectUid;
    if (!holds && !uids.has(objectUid)) return;
    if (holds) uids.add(objectUid);
    else uids.delete(objectUid);
    book.set(objectUid, holds ? rule : undefined);
  }

  function fill(): void {
    if (filled) return;
    filled = true;
    for (const uid of new Set(revisions.values().map(({ objectUid }) => objectUid))) take(uid);
  }

  function takeEach(changed: readonly (string | undefined)[]): void {
    if (!revisions.synced() || !profiles.synced()) return;
    fill();
    for (const uid of new Set(changed)) {
      if (uid !== undefined) take(uid);
    }
  }

  const stop = source.listen({
    profiles(_name, now, before) {
      if (now?.uid !== before?.uid) takeEach([now?.uid, before?.uid]);
    },
    revisions: (_key, now, before) => takeEach([now?.objectUid, before?.objectUid]),
  });
  Promise.all([revisions.ready, profiles.ready]).then(fill, () => undefined);
  return { book, stop };
}
