import { KubeError } from './errors.ts';

export interface Backoff {
  /** Milliseconds of the first delay. */
  baseMs: number;
  /** No delay is longer, unless the server asked for more by Retry-After. */
  maxMs: number;
}

/**
 * Milliseconds to wait before try `attempt` (0 = the first retry): doubles from `baseMs` to `maxMs`, and is then spread over
 * the upper half of that, so that thousands of clients that failed together do not return together.
 */
export function backoffDelay(attempt: number, backoff: Backoff, random: () => number): number {
  const ceiling = Math.min(backoff.maxMs, backoff.baseMs * 2 ** Math.min(attempt, 30));
  return ceiling * (0.5 + random() / 2);
}

/** As `backoffDelay`, but never shorter than what the server asked for; that is spread by up to a half as well. */
export function retryDelay(attempt: number, error: unknown, backoff: Backoff, random: () => number): number {
  const delay = backoffDelay(attempt, backoff, random);
  if (!(error instanceof KubeError) || error.retryAfterSeconds === undefined) return delay;
  return Math.max(delay, error.retryAfterSeconds * 1000 * (1 + random() / 2));
}
