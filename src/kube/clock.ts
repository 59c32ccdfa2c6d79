/** Time as `src/kube` sees it. Tests pass one that they move by hand. */
export interface Clock {
  /** Milliseconds that only ever grow: steps of the system's clock must not shorten or lengthen a lease. */
  now(): number;
  /** The system's wall clock, for what others read (Lease, Event). */
  date(): Date;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clocks. `now` begins at the epoch's milliseconds of the process start, so it may be shown as a date. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  date: () => new Date(),
  sleep,
};

/** Node fires a longer timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    signal?.addEventListener('abort', finish);
  });
}
