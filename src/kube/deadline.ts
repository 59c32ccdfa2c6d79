import { KubeError } from './errors.ts';

/**
 * Runs `work` with a signal that aborts when the caller's does, or after `ms` with a KubeError `Timeout`. Listeners on the
 * caller's signal, which may live as long as the process, are taken off again (AbortSignal.any would keep them).
 */
export async function withDeadline<R>(
  ms: number,
  name: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(
      new KubeError({ status: 0, reason: 'Timeout', message: `${name}: no complete answer within ${ms} ms` }),
    );
  }, ms);
  const abort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** The promise's outcome, or the signal's reason if that comes first; the promise itself goes on. */
export function abortable<R>(promise: Promise<R>, signal: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
