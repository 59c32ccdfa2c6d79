import type { Clock } from '../kube/clock.ts';
import { startWorkQueue, type ReconcileResult, type WorkQueue } from '../kube/work-queue.ts';
import type { Logger } from '../log.ts';
import type { Concern, ControllerMetrics } from './metrics.ts';

export type Reconcile = (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>;

/** One queue per concern. Takes nothing until it is opened. */
export interface Queues {
  open(): void;
  add(concern: Concern, key: string): void;
  sizes(): { concern: Concern; size: number }[];
  stop(): Promise<void>;
}

/** Reconciles at once: requests wait for the API server, and in a new cluster every node wants a row. */
const CONCURRENCY: Record<Concern, number> = {
  revisions: 2,
  // Two parsers run at once, whoever asks; the others wait without holding up anything else.
  reviews: 8,
  slowReviews: 1,
  nodes: 8,
  daemonset: 1,
  status: 4,
  // Two at once could each evict a pod of the same owner.
  evictions: 1,
  unloads: 4,
  certificate: 1,
  webhooks: 2,
  proofs: 4,
};

export function startQueues(
  reconciles: Record<Concern, Reconcile>,
  parts: { logger: Logger; metrics: ControllerMetrics; clock: Clock; random: () => number },
): Queues {
  const { logger, metrics } = parts;
  const start = (concern: Concern): WorkQueue =>
    startWorkQueue({
      reconcile: async (key, signal) => {
        const result = await reconciles[concern](key, signal);
        metrics.reconciled(concern, 'success');
        return result;
      },
      concurrency: CONCURRENCY[concern],
      onError: (key, error, retryInMs) => {
        metrics.reconciled(concern, 'error');
        logger.warn('reconcile failed', { concern, key, error, retryInMs: Math.round(retryInMs) });
      },
      clock: parts.clock,
      random: parts.random,
    });
  const queues: Record<Concern, WorkQueue> = {
    revisions: start('revisions'),
    reviews: start('reviews'),
    slowReviews: start('slowReviews'),
    nodes: start('nodes'),
    daemonset: start('daemonset'),
    status: start('status'),
    evictions: start('evictions'),
    unloads: start('unloads'),
    certificate: start('certificate'),
    webhooks: start('webhooks'),
    proofs: start('proofs'),
  };
  const all = Object.entries(queues) as [Concern, WorkQueue][];
  let open = false;

  return {
    open() {
      open = true;
    },
    add(concern, key) {
      if (open) queues[concern].add(key);
    },
    sizes: () => all.map(([concern, queue]) => ({ concern, size: queue.size() })),
    async stop() {
      open = false;
      await Promise.all(all.map(([, queue]) => queue.stop()));
    },
  };
}
