import type { Clock } from '../../../src/kube/clock.ts';

/** A clock that a test moves by hand. */
export interface ManualClock extends Clock {
  /** Lets `ms` pass: whoever sleeps wakes at its time, in order, and has done what it then does before time goes on. */
  advance(ms: number): Promise<void>;
  /** Milliseconds until each sleeper wakes, the next one first. */
  sleepers(): number[];
}

export function createManualClock(start = Date.UTC(2030, 0, 1)): ManualClock {
  let now = start;
  const sleepers = new Set<{ due: number; wake: () => void }>();
  const next = (): { due: number; wake: () => void } | undefined =>
    [...sleepers].sort((left, right) => left.due - right.due)[0];
  return {
    now: () => now,
    date: () => new Date(now),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper = { due: now + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', wake);
        if (signal?.aborted === true) wake();
      }),
    async advance(ms) {
      const end = now + ms;
      await settled();
      for (let sleeper = next(); sleeper !== undefined && sleeper.due <= end; sleeper = next()) {
        now = Math.max(now, sleeper.due);
        sleeper.wake();
        await settled();
      }
      now = end;
    },
    sleepers: () => [...sleepers].map(({ due }) => due - now).sort((left, right) => left - right),
  };
}

/** Until everything that can happen without time passing has happened; in-memory work only. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
}
