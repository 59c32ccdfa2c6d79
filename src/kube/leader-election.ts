import type { KubeClient } from './client.ts';
import type { Clock } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { isAlreadyExists, isConflict } from './errors.ts';
import { LeaseLock } from './lease-lock.ts';

export interface LeaderElectionOptions {
  client: KubeClient;
  namespace: string;
  /** Name of the Lease. */
  name: string;
  /** Unique per process: pod name and something random. */
  identity: string;
  /** How long others wait after the last renewal that they saw. Default 15. */
  leaseSeconds?: number;
  /** Without a renewal for this long the leader steps down. Default 10; less than `leaseSeconds`. */
  renewSeconds?: number;
  /** Between two tries. Default 2. */
  retrySeconds?: number;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  /** The leader's work: must end soon after its signal aborts, which it does when the lease is lost or `signal` aborts. */
  onLeading: (signal: AbortSignal) => Promise<void>;
  /** A try that failed, a lease that was lost, or what `onLeading` threw. The election goes on. */
  onError: (error: unknown) => void;
}

/** The lease went to another, or could not be renewed in time. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

/**
 * Competes for a Lease until the signal aborts or `onLeading` returns of itself, and releases it then. As client-go's
 * leaderelection: our lease counts from before the request that renewed it, and work is aborted `leaseSeconds -
 * renewSeconds` before another may take it. This process does not compete while its last work has not ended. Never rejects.
 */
export async function runLeaderElection(options: LeaderElectionOptions): Promise<void> {
  const { clock, random, signal, leaseSeconds = 15, retrySeconds = 2 } = options;
  const lock = new LeaseLock({ ...options, leaseSeconds });
  while (!signal.aborted) {
    if (await acquire(lock, options)) {
      const finished = await lead(lock, options);
      await release(lock, options);
      if (finished) return;
    }
    // As client-go: 1 to 2.2 times as long, so that candidates fall out of step.
    await clock.sleep(retrySeconds * 1000 * (1 + 1.2 * random()), signal);
  }
}

/** No try, and no release, waits longer for the API server. */
const REQUEST_MS = 5000;

async function acquire(lock: LeaseLock, options: LeaderElectionOptions): Promise<boolean> {
  try {
    return await withDeadline(REQUEST_MS, nameOf(options), options.signal, (signal) => lock.tryHold(signal));
  } catch (error) {
    const outrun = isConflict(error) || isAlreadyExists(error);
    if (!outrun && !options.signal.aborted) options.onError(error);
    return false;
  }
}

/** Works and renews until one of both ends. Whether the work returned of itself. */
async function lead(lock: LeaseLock, options: LeaderElectionOptions): Promise<boolean> {
  const leading = new AbortController();
  const stop = (): void => leading.abort(options.signal.reason);
  options.signal.addEventListener('abort', stop);
  if (options.signal.aborted) stop();
  const work = runWork(options, leading);
  const lost = await renewUntilLost(lock, options, leading.signal);
  if (lost !== undefined) {
    leading.abort(lost);
    options.onError(lost);
  }
  const returned = await work;
  options.signal.removeEventListener('abort', stop);
  return returned && lost === undefined;
}

async function runWork(options: LeaderElectionOptions, leading: AbortController): Promise<boolean> {
  try {
    await options.onLeading(leading.signal);
    return true;
  } catch (error) {
    if (!leading.signal.aborted) options.onError(error);
    return false;
  } finally {
    leading.abort();
  }
}

/** Undefined: the signal aborted while the lease was ours. */
async function renewUntilLost(
  lock: LeaseLock,
  options: LeaderElectionOptions,
  signal: AbortSignal,
): Promise<LeaseLostError | undefined> {
  const { clock, retrySeconds = 2, renewSeconds = 10 } = options;
  while (true) {
    const deadline = lock.heldSince() + renewSeconds * 1000;
    await clock.sleep(Math.min(retrySeconds * 1000, deadline - clock.now()), signal);
    if (signal.aborted) return undefined;
    const leftMs = deadline - clock.now();
    if (leftMs <= 0) return new LeaseLostError(`${nameOf(options)} could not be renewed for ${renewSeconds} s`);
    if (!(await renew(lock, options, Math.min(leftMs, REQUEST_MS), signal))) {
      return new LeaseLostError(`${nameOf(options)} was taken by ${lock.holder()}`);
    }
  }
}

/** False: another holds the lease. A try that failed is reported, and repeated until the deadline. */
async function renew(
  lock: LeaseLock,
  options: LeaderElectionOptions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await withDeadline(timeoutMs, nameOf(options), signal, (signal) => lock.tryHold(signal));
  } catch (error) {
    if (!signal.aborted) options.onError(error);
    return true;
  }
}

async function release(lock: LeaseLock, options: LeaderElectionOptions): Promise<void> {
  try {
    await withDeadline(REQUEST_MS, nameOf(options), undefined, (signal) => lock.release(signal));
  } catch (error) {
    if (!isConflict(error)) options.onError(error);
  }
}

function nameOf(options: LeaderElectionOptions): string {
  return `lease ${options.namespace}/${options.name}`;
}
