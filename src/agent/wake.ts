import type { Clock } from '../kube/clock.ts';

/** Lets one loop wait until something happened or time has passed. What happens while it is busy is not lost. */
export interface Wake {
  /** Ends the wait that is on, or the next one. */
  call(): void;
  /** Resolves true if called, false after `ms` or when the signal aborts. One waiter at a time. */
  wait(ms: number, signal: AbortSignal): Promise<boolean>;
}

export function createWake(clock: Clock): Wake {
  let called = false;
  let endWait: (() => void) | undefined;
  return {
    call() {
      called = true;
      endWait?.();
    },
    async wait(ms, signal) {
      if (!called && !signal.aborted) {
        const over = new AbortController();
        // A reason, as the default one is an exception with its stack: made for every event of the node.
        endWait = () => over.abort('over');
        signal.addEventListener('abort', endWait);
        await clock.sleep(ms, over.signal);
        signal.removeEventListener('abort', endWait);
        endWait = undefined;
      }
      const was = called;
      called = false;
      return was;
    },
  };
}
