import type { IncomingMessage } from 'node:http';
import { abortable } from '../kube/deadline.ts';
import {
  AdmissionReviewError,
  readAdmissionReview,
  writeAdmissionReview,
  type AdmissionHandler,
} from './admission-review.ts';
import type { AdmissionOutcome } from './admission-metrics.ts';

/** What bounds calls in memory and time. */
export interface AdmissionLimits {
  /** Bytes of one body. The API server sends the old and the new object, and etcd takes 1.5 MB for each. */
  bodyBytes: number;
  /** Bytes of all bodies that are in memory at once; measured: parsed, a body takes about three times as much again. */
  heldBytes: number;
  /** Calls at once. */
  calls: number;
  /** Milliseconds for body and handler, where the API server does not say that it waits less. */
  callMs: number;
}

export const ADMISSION_LIMITS: AdmissionLimits = {
  bodyBytes: 3 * 1024 * 1024,
  heldBytes: 32 * 1024 * 1024,
  calls: 100,
  // Less than the longest timeoutSeconds of our webhooks, 10: who gives up first can still say why.
  callMs: 9500,
};

/** What is sent back. */
export interface Reply {
  status: number;
  outcome: AdmissionOutcome;
  type: 'application/json' | 'text/plain; charset=utf-8';
  body: string;
  /** What the handler threw, for the log. */
  error?: unknown;
}

/** Answers the calls of one server. */
export interface AdmissionCalls {
  /** Never rejects. `gone` aborts when the caller hangs up. */
  answer(call: IncomingMessage, gone: AbortSignal): Promise<Reply>;
}

export function createAdmissionCalls(
  handlers: ReadonlyMap<string, AdmissionHandler>,
  limits: AdmissionLimits,
): AdmissionCalls {
  let calls = 0;
  let heldBytes = 0;

  async function answer(call: IncomingMessage, gone: AbortSignal): Promise<Reply> {
    const path = pathOf(call);
    const handler = handlers.get(servedAt(handlers, path) ?? '');
    if (handler === undefined) return plain(404, 'invalid', 'there is no webhook at this path');
    if (call.method !== 'POST') return plain(405, 'invalid', 'a webhook is called by POST');
    if (!/^application\/json\s*(;|$)/i.test(call.headers['content-type'] ?? '')) {
      return plain(415, 'invalid', 'the content type of an AdmissionReview is application/json');
    }
    if (calls >= limits.calls) return plain(503, 'busy', `${calls} calls are being answered already`);
    const ended = new AbortController();
    const end = (): void => ended.abort(new CallEnded('gone'));
    const limitMs = callMs(call, limits);
    const timer = setTimeout(() => ended.abort(new CallEnded('timeout')), limitMs);
    gone.addEventListener('abort', end);
    if (gone.aborted) end();
    const held: Held = { bytes: 0 };
    calls += 1;
    try {
      const body = await abortable(readBody(call, held, ended.signal), ended.signal);
      const request = readAdmissionReview(body);
      const decision = await abortable(handler(request, ended.signal, path), ended.signal);
      return {
        status: 200,
        outcome: decision.allowed ? 'allowed' : 'refused',
        type: 'application/json',
        body: writeAdmissionReview(request.uid, decision),
      };
    } catch (error) {
      // What the handler began beside what failed, such as a compile, is not to go on.
      ended.abort(error);
      return failed(error, limitMs);
    } finally {
      calls -= 1;
      heldBytes -= held.bytes;
      clearTimeout(timer);
      gone.removeEventListener('abort', end);
    }
  }

  /** What is too large is read on for a while and dropped: whoever is cut off while it sends does not see the answer. */
  async function readBody(call: IncomingMessage, held: Held, ended: AbortSignal): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    // An iterator that is left would destroy the connection, and with it the answer.
    for await (const chunk of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      ended.throwIfAborted();
      size += chunk.length;
      if (size > limits.bodyBytes * DROPPED_BODIES) break;
      if (size > limits.bodyBytes) continue;
      held.bytes += chunk.length;
      heldBytes += chunk.length;
      if (heldBytes > limits.heldBytes) {
        throw new CallRefused(503, 'busy', `calls with ${limits.heldBytes} bytes are being answered already`);
      }
      chunks.push(chunk);
    }
    if (size > limits.bodyBytes)
      throw new CallRefused(413, 'invalid', `the body has more than ${limits.bodyBytes} bytes`);
    return Buffer.concat(chunks).toString('utf8');
  }

  return { answer };
}

/** Bodies of the greatest size that are read of one that is too large. */
const DROPPED_BODIES = 8;

/** The key of the handler for a path: the path itself, or one that ends in a slash and stands for all that is below it. */
export function servedAt(handlers: ReadonlyMap<string, AdmissionHandler>, path: string): string | undefined {
  if (handlers.has(path)) return path;
  return [...handlers.keys()].find((key) => key.endsWith('/') && path.startsWith(key));
}

/** The path of a call, without its query. */
export function pathOf({ url = '/' }: Pick<IncomingMessage, 'url'>): string {
  return url.replace(/\?.*$/s, '');
}

/** Bytes of one call's body that are in memory. */
interface Held {
  bytes: number;
}

/** A call that gets an HTTP status instead of an answer. */
class CallRefused extends Error {
  override readonly name = 'CallRefused';
  readonly status: number;
  readonly outcome: AdmissionOutcome;

  constructor(status: number, outcome: AdmissionOutcome, message: string) {
    super(message);
    this.status = status;
    this.outcome = outcome;
  }
}

/** Nobody waits for the answer any more. */
class CallEnded extends Error {
  override readonly name = 'CallEnded';
  readonly outcome: 'timeout' | 'gone';

  constructor(outcome: 'timeout' | 'gone') {
    super(outcome === 'timeout' ? 'the time limit of the call is over' : 'the caller has gone');
    this.outcome = outcome;
  }
}

function failed(error: unknown, limitMs: number): Reply {
  if (error instanceof CallEnded) {
    return error.outcome === 'gone'
      ? plain(499, 'gone', error.message)
      : plain(504, 'timeout', `no answer within ${limitMs} ms`);
  }
  if (error instanceof CallRefused) return plain(error.status, error.outcome, error.message);
  if (error instanceof AdmissionReviewError) return plain(400, 'invalid', error.message);
  return { ...plain(500, 'error', 'the webhook failed; the log of the controller says how'), error };
}

function plain(status: number, outcome: AdmissionOutcome, message: string): Reply {
  return { status, outcome, type: 'text/plain; charset=utf-8', body: `apparmor-operator: ${message}\n` };
}

/** The API server says how long it waits, as `?timeout=10s`; a twentieth of it is for the way back. */
function callMs({ url = '/' }: IncomingMessage, limits: AdmissionLimits): number {
  const seconds = /[?&]timeout=(\d{1,3})s(?:&|$)/.exec(url)?.[1];
  return seconds === undefined ? limits.callMs : Math.min(limits.callMs, Number(seconds) * 950);
}
