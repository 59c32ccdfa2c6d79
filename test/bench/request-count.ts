import type { Clock } from '../../src/kube/clock.ts';
import type { KubeRequest, Transport } from '../../src/kube/transport.ts';

export type RequestKind = 'get' | 'list' | 'watch' | 'write';

export interface RequestFigures {
  /** Since the start. */
  byKind: Record<RequestKind, number>;
  /** By second of the epoch, the last ten minutes. */
  bySecond: Record<string, number>;
}

/** Counts what agents ask the API server for, as they ask it. */
export interface RequestCount {
  counting(transport: Transport): Transport;
  figures(): RequestFigures;
}

const KEPT_SECONDS = 600;

export function createRequestCount(clock: Clock): RequestCount {
  const byKind: Record<RequestKind, number> = { get: 0, list: 0, watch: 0, write: 0 };
  const bySecond = new Map<number, number>();
  const count = (request: KubeRequest): void => {
    byKind[kindOf(request)] += 1;
    const second = Math.floor(clock.date().getTime() / 1000);
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1);
    const [oldest] = bySecond.keys();
    if (oldest !== undefined && oldest < second - KEPT_SECONDS) bySecond.delete(oldest);
  };
  return {
    counting: (transport) => ({
      request(request) {
        count(request);
        return transport.request(request);
      },
      stream(request) {
        count(request);
        return transport.stream(request);
      },
      close: () => transport.close(),
    }),
    figures: () => ({ byKind: { ...byKind }, bySecond: Object.fromEntries(bySecond) }),
  };
}

/** A collection's path ends in a plural, an object's in a name: of what agents ask for, only the former takes selectors. */
export function kindOf({ method, path, query }: KubeRequest): RequestKind {
  if (method !== 'GET') return 'write';
  if (query?.['watch'] === true) return 'watch';
  return /\/(?:nodes|apparmornodes|controllerrevisions)$/.test(path) ? 'list' : 'get';
}

/** The sum of several processes' figures. */
export function addedUp(all: readonly RequestFigures[]): RequestFigures {
  const sum: RequestFigures = { byKind: { get: 0, list: 0, watch: 0, write: 0 }, bySecond: {} };
  for (const { byKind, bySecond } of all) {
    for (const kind of ['get', 'list', 'watch', 'write'] as const) sum.byKind[kind] += byKind[kind];
    for (const [second, count] of Object.entries(bySecond)) {
      sum.bySecond[second] = (sum.bySecond[second] ?? 0) + count;
    }
  }
  return sum;
}
