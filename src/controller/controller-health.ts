import type { Clock } from '../kube/clock.ts';
import type { WatchCache } from '../kube/watch-cache.ts';

/** What the probes of a controller ask; each answers with what is wrong, or undefined. */
export interface ControllerHealth {
  livez: () => string | undefined;
  readyz: () => string | undefined;
  /** What this replica watches now, by kind: more while it leads. */
  watching: (caches: readonly WatchedKind[]) => void;
}

export interface WatchedKind {
  kind: string;
  synced(): boolean;
  /** Milliseconds on the clock. */
  lastContact(): number;
}

/** The API server sends a bookmark about every minute, so three missed ones are an outage. */
export const SILENCE_MS = 3 * 60_000;

/** A replica that does not lead is ready once it has what its webhooks need, and the certificate, which is checked elsewhere. */
export function createControllerHealth(clock: Clock): ControllerHealth {
  let watched: readonly WatchedKind[] = [];
  return {
    // An outage of the API server is not cured by a restart, and a blocked event loop does not answer at all.
    livez: () => undefined,
    readyz() {
      const waiting = watched.filter((cache) => !cache.synced()).map(({ kind }) => kind);
      if (waiting.length > 0) return `waiting for the first list of ${waiting.join(', ')}`;
      const silent = watched.filter((cache) => clock.now() - cache.lastContact() > SILENCE_MS);
      if (silent.length === 0) return undefined;
      return `no word from the API server for three minutes about ${silent.map(({ kind }) => kind).join(', ')}`;
    },
    watching(caches) {
      watched = caches;
    },
  };
}

export function watched(kind: string, cache: Pick<WatchCache<unknown>, 'synced' | 'lastContact'>): WatchedKind {
  return { kind, synced: () => cache.synced(), lastContact: () => cache.lastContact() };
}
