import { PODS } from '../../../src/kube/resource.ts';
import type { KubeObject } from '../../../src/kube/resource.ts';
import { startWatchCache } from '../../../src/kube/watch-cache.ts';
import type { WatchCache, WatchCacheOptions } from '../../../src/kube/watch-cache.ts';
import { createManualClock } from './manual-clock.ts';
import type { ManualClock } from './manual-clock.ts';
import { createScriptedTransport } from './scripted-transport.ts';
import type { ScriptedTransport } from './scripted-transport.ts';

export interface Thing extends KubeObject {
  value?: string;
}

export interface Bench {
  transport: ScriptedTransport;
  clock: ManualClock;
  cache: WatchCache<string>;
  /** `key: before→now` */
  changes: string[];
  errors: { error: unknown; retryInMs: number }[];
  syncs: () => number;
  stop: AbortController;
}

export function thing(name: string, resourceVersion: number, value = 'x'): Thing {
  return { metadata: { name, namespace: 'ns', resourceVersion: String(resourceVersion) }, value };
}

export function page(resourceVersion: number, items: Thing[], next?: string): object {
  return { metadata: { resourceVersion: String(resourceVersion), continue: next ?? '' }, items };
}

export function start(
  answers: (object | Error)[],
  options: Partial<WatchCacheOptions<Thing, string>> = {},
  stop = new AbortController(),
): Bench {
  const transport = createScriptedTransport();
  transport.answers.push(...answers);
  const clock = createManualClock(1_000_000);
  const changes: string[] = [];
  const errors: { error: unknown; retryInMs: number }[] = [];
  let syncs = 0;
  const cache = startWatchCache<Thing, string>({
    transport,
    resource: PODS,
    project: (object) => object.value,
    onChange: (key, now, before) => changes.push(`${key}: ${before ?? '-'}→${now ?? '-'}`),
    onSynced: () => {
      syncs += 1;
    },
    onError: (error, retryInMs) => errors.push({ error, retryInMs }),
    signal: stop.signal,
    clock,
    random: () => 0.5,
    ...options,
  });
  return { transport, clock, cache, changes, errors, syncs: () => syncs, stop };
}
