import { constants } from 'node:http2';
import type { ClientHttp2Stream, Http2Session, OutgoingHttpHeaders } from 'node:http2';
import type { ApiServerAccess } from './access.ts';
import { createConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { abortable, withDeadline } from './deadline.ts';
import { errorOfAnswer, KubeError } from './errors.ts';
import { bodyText, chunksOf, linesOf } from './body.ts';

/** One HTTP/2 connection to the API server that all requests and watches of a process share. */
export interface Transport {
  /** Throws KubeError for any answer but 2xx and for no answer; the signal's reason if the caller aborts. */
  request(request: KubeRequest): Promise<KubeResponse>;
  /** Resolves when the answer's headers are in; the lines then come as the server sends them. */
  stream(request: KubeRequest): Promise<KubeStream>;
  /** Ends the connection and everything that is still open on it. */
  close(): Promise<void>;
}

export interface KubeRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute path without a query. */
  path: string;
  /** Members that are undefined are left out. */
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON. */
  body?: object;
  /** Default `application/json`. */
  contentType?: string;
  accept?: string;
  signal?: AbortSignal;
  /** For a request: until the whole answer is in. For a stream: until its headers are in. */
  timeoutMs?: number;
}

export interface KubeResponse {
  status: number;
  /** The answer's JSON. */
  body: unknown;
}

export interface KubeStream {
  /** Ends when the server ends the answer; throws KubeError if the connection fails or a line is too long. One reader. */
  lines: AsyncIterable<string>;
  close(): void;
}

export interface TransportOptions {
  userAgent: string;
  /** Default for requests that name none. */
  timeoutMs: number;
  /** Longest answer, and longest line of a stream, that is read into memory. */
  maxBytes?: number;
  /** A connection that does not answer a ping within `pingTimeoutMs` is dead. Go's clients use 30 s and 15 s. */
  pingEveryMs?: number;
  pingTimeoutMs?: number;
}

/** 500 pods of 20 KB each have 10 MB; etcd by default takes no object above 1.5 MB. */
const MAX_BYTES = 16 * 1024 * 1024;

export function createTransport(access: ApiServerAccess, options: TransportOptions): Transport {
  const connection = createConnection(access, {
    pingEveryMs: options.pingEveryMs ?? 30_000,
    pingTimeoutMs: options.pingTimeoutMs ?? 15_000,
    connectTimeoutMs: options.timeoutMs,
  });
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  const open = (request: KubeRequest, signal: AbortSignal): Promise<Answer> =>
    openAnswer(connection, access, options.userAgent, request, signal);

  return {
    async request(request) {
      const name = nameOf(request);
      return translateErrors(name, request.signal, () =>
        withDeadline(request.timeoutMs ?? options.timeoutMs, name, request.signal, async (signal) => {
          const answer = await open(request, signal);
          const { session } = answer.stream;
          const text = await readWhile(answer.stream, signal, maxBytes);
          if (answer.status < 200 || answer.status > 299) {
            throw errorOfAnswer(name, answer.status, text, answer.retryAfter);
          }
          return { status: answer.status, body: parseBody(name, text, session) };
        }),
      );
    },
    async stream(request) {
      const name = nameOf(request);
      const answer = await translateErrors(name, request.signal, () =>
        withDeadline(request.timeoutMs ?? options.timeoutMs, name, request.signal, async (signal) => {
          const opened = await open(request, signal);
          if (opened.status === 200) return opened;
          const text = await readWhile(opened.stream, signal, maxBytes);
          throw errorOfAnswer(name, opened.status, text, opened.retryAfter);
        }),
      );
      return {
        lines: readLines(name, answer.stream, request.signal, maxBytes),
        close: () => cancel(answer.stream),
      };
    },
    close: () => connection.close(),
  };
}

interface Answer {
  status: number;
  retryAfter: string | undefined;
  stream: ClientHttp2Stream;
}

async function openAnswer(
  connection: Connection,
  access: ApiServerAccess,
  userAgent: string,
  request: KubeRequest,
  signal: AbortSignal,
): Promise<Answer> {
  const token = await abortable(Promise.resolve(access.token?.()), signal);
  const headers: OutgoingHttpHeaders = {
    ':method': request.method,
    ':path': connection.pathPrefix + pathAndQuery(request),
    accept: request.accept ?? 'application/json',
    'user-agent': userAgent,
  };
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
  for (let retried = false; ; retried = true) {
    // Nothing may be waited for between these two: the server could say goodbye meanwhile.
    const session = await abortable(connection.session(), signal);
    const stream = session.request(headers, { endStream: request.body === undefined });
    if (request.body !== undefined) stream.end(JSON.stringify(request.body));
    try {
      return await abortingStream(stream, signal, () => answerOf(stream));
    } catch (error) {
      // RFC 9113, 8.7: the server has not begun with it, as when its goodbye crosses a request. Any verb may be sent again.
      if (retried || stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM) throw error;
    }
  }
}

function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Stays for the stream's life: an error after the answer reaches the reader, and must not be an uncaught one.
    stream.on('error', reject);
    stream.once('close', () => {
      reject(new Error('the connection was closed before the answer'));
    });
    stream.once('response', (headers) => {
      resolve({ status: headers[':status'] ?? 0, retryAfter: headers['retry-after'], stream });
    });
  });
}

function readWhile(stream: ClientHttp2Stream, signal: AbortSignal, maxBytes: number): Promise<string> {
  return abortingStream(stream, signal, () => bodyText(chunksOf(stream), maxBytes));
}

async function* readLines(
  name: string,
  stream: ClientHttp2Stream,
  signal: AbortSignal | undefined,
  maxBytes: number,
): AsyncGenerator<string> {
  const { session } = stream;
  const abort = (): void => cancel(stream, signal?.reason);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  try {
    yield* linesOf(chunksOf(stream), maxBytes);
    throwIfCutOff(session);
  } catch (error) {
    throw translated(name, signal, error);
  } finally {
    signal?.removeEventListener('abort', abort);
    cancel(stream);
  }
}

/** Runs `work`, and cancels the stream with the signal's reason if it aborts meanwhile. */
async function abortingStream<R>(stream: ClientHttp2Stream, signal: AbortSignal, work: () => Promise<R>): Promise<R> {
  const abort = (): void => cancel(stream, signal.reason);
  signal.addEventListener('abort', abort);
  try {
    const result = work();
    if (signal.aborted) abort();
    return await result;
  } catch (error) {
    cancel(stream);
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function cancel(stream: ClientHttp2Stream, reason?: unknown): void {
  if (stream.destroyed) return;
  stream.close(constants.NGHTTP2_CANCEL);
  stream.destroy(reason instanceof Error ? reason : undefined);
}

async function translateErrors<R>(name: string, signal: AbortSignal | undefined, work: () => Promise<R>): Promise<R> {
  try {
    signal?.throwIfAborted();
    return await work();
  } catch (error) {
    throw translated(name, signal, error);
  }
}

function translated(name: string, signal: AbortSignal | undefined, error: unknown): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (error instanceof KubeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new KubeError({ status: 0, reason: 'ConnectionFailed', message: `${name}: ${message}`, cause: error });
}

function parseBody(name: string, text: string, session: Http2Session | undefined): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch (cause) {
    throwIfCutOff(session);
    throw new KubeError({ status: 0, reason: 'InvalidResponse', message: `${name}: the answer is not JSON`, cause });
  }
}

/** Measured: where a connection is lost, node:http2 ends the answer as if it were complete. */
function throwIfCutOff(session: Http2Session | undefined): void {
  if (session?.destroyed !== false) throw new Error('the connection was lost within the answer');
}

function nameOf(request: KubeRequest): string {
  return `${request.method} ${request.path}`;
}

function pathAndQuery(request: KubeRequest): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? request.path : `${request.path}?${query.toString()}`;
}
