/** Changes of people and of their tools mostly follow each other faster, and reports of a burst are written by then. */
const QUIET_MS = 60_000;

export interface Quiet {
  /** There was something to do until `now`, clock milliseconds. */
  busy(now: number): void;
  /** True once for each time that there was something to do: when there has been nothing since, for a minute. */
  begins(now: number): boolean;
}

export function createQuiet(): Quiet {
  let busyUntil: number | undefined;
  return {
    busy(now) {
      busyUntil = now;
    },
    begins(now) {
      if (busyUntil === undefined || now - busyUntil < QUIET_MS) return false;
      busyUntil = undefined;
      return true;
    },
  };
}
