/**
 * Writes of files that need not be on the disk before work goes on, one after the other. An fsync takes milliseconds, and on a disk
 * that is busy a hundred times as many.
 */
export interface WriteQueue {
  /**
   * Has the write begin when all before it have ended, and resolves then: who adds many at once has no more than two of them in memory.
   * The write must not reject.
   */
  add(write: () => Promise<unknown>): Promise<void>;
  /** Resolves when all that was added has ended. */
  ended(): Promise<void>;
}

export function createWriteQueue(): WriteQueue {
  let last: Promise<unknown> = Promise.resolve();
  return {
    async add(write) {
      const before = last;
      last = before.then(write);
      await before;
    },
    async ended() {
      await last;
    },
  };
}
