import type { Backoff } from './backoff.ts';
import { retryDelay } from './backoff.ts';
import type { Clock } from './clock.ts';

/** Keys of objects to reconcile: each waits at most once, and is never reconciled twice at once. */
export interface WorkQueue {
  /** Reconciles the key soon; if it is being reconciled right now, once more afterwards. */
  add(key: string): void;
  /** Reconciles the key in `ms`; of several the earliest counts. */
  addAfter(key: string, ms: number): void;
  /** Keys that wait for their turn now; neither those that run nor those added for later. */
  size(): number;
  /** Aborts what runs, forgets what waits, and resolves when nothing runs any more. */
  stop(): Promise<void>;
}

export interface WorkQueueOptions {
  /** A throw is retried with back-off; a normal return resets the key's back-off. */
  reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>;
  concurrency: number;
  onError: (key: string, error: unknown, retryInMs: number) => void;
  clock: Clock;
  random: () => number;
  /** Default 200 ms. */
  baseDelayMs?: number;
  /** Default 5 min. */
  maxDelayMs?: number;
}

export interface ReconcileResult {
  requeueAfterMs?: number;
}

export function startWorkQueue(options: WorkQueueOptions): WorkQueue {
  const backoff: Backoff = { baseMs: options.baseDelayMs ?? 200, maxMs: options.maxDelayMs ?? 300_000 };
  const stopping = new AbortController();
  const ready = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const later = new Map<string, { due: number; cancel: AbortController }>();
  const failures = new Map<string, number>();

  function add(key: string): void {
    if (stopping.signal.aborted) return;
    ready.add(key);
    startReady();
  }

  function addAfter(key: string, ms: number): void {
    if (stopping.signal.aborted) return;
    if (ms <= 0) {
      add(key);
      return;
    }
    const due = options.clock.now() + ms;
    const earlier = later.get(key);
    if (earlier !== undefined && earlier.due <= due) return;
    earlier?.cancel.abort();
    const cancel = new AbortController();
    later.set(key, { due, cancel });
    void addWhenDue(key, ms, cancel.signal);
  }

  async function addWhenDue(key: string, ms: number, cancelled: AbortSignal): Promise<void> {
    await options.clock.sleep(ms, cancelled);
    if (cancelled.aborted) return;
    later.delete(key);
    add(key);
  }

  function startReady(): void {
    for (const key of ready) {
      if (running.size >= options.concurrency) return;
      if (running.has(key)) continue;
      ready.delete(key);
      running.set(key, run(key));
    }
  }

  async function run(key: string): Promise<void> {
    try {
      const result = await reconcileLater(key);
      failures.delete(key);
      if (result?.requeueAfterMs !== undefined) addAfter(key, result.requeueAfterMs);
    } catch (error) {
      retry(key, error);
    } finally {
      running.delete(key);
      startReady();
    }
  }

  /** Never runs within `add`, so that the caller may add many keys, or hold a half-made state, undisturbed. */
  async function reconcileLater(key: string): Promise<ReconcileResult | void> {
    await Promise.resolve();
    return options.reconcile(key, stopping.signal);
  }

  function retry(key: string, error: unknown): void {
    if (stopping.signal.aborted) return;
    const attempt = failures.get(key) ?? 0;
    failures.set(key, attempt + 1);
    const retryInMs = retryDelay(attempt, error, backoff, options.random);
    addAfter(key, retryInMs);
    options.onError(key, error, retryInMs);
  }

  return {
    add,
    addAfter,
    size: () => ready.size,
    async stop() {
      stopping.abort();
      ready.clear();
      for (const { cancel } of later.values()) cancel.abort();
      later.clear();
      await Promise.all(running.values());
    },
  };
}
