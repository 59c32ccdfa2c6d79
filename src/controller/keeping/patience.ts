/** How long to wait before an edit is undone. */
export interface Patience {
  /** Milliseconds still to wait; 0: now. */
  waitMs(now: number): number;
  corrected(now: number): void;
}

const LONGEST_MS = 5 * 60_000;
const FORGOTTEN_AFTER_MS = 10 * 60_000;

/**
 * A person's edit is undone at once. Another controller that insists would make two loops that roll the agents for ever, so
 * each further correction within ten minutes waits twice as long, up to five minutes.
 */
export function createPatience(): Patience {
  let last: { at: number; times: number } | undefined;
  return {
    waitMs(now) {
      if (last === undefined || now - last.at > FORGOTTEN_AFTER_MS) return 0;
      return Math.max(0, last.at + Math.min(LONGEST_MS, 250 * 2 ** last.times) - now);
    },
    corrected(now) {
      const again = last !== undefined && now - last.at <= FORGOTTEN_AFTER_MS;
      last = { at: now, times: again && last !== undefined ? last.times + 1 : 0 };
    },
  };
}
