import { KubeError } from '../../../src/kube/errors.ts';
import type { KubeRequest, Transport } from '../../../src/kube/transport.ts';

/** One watch that the code under test has opened. */
export interface ScriptedStream {
  request: KubeRequest;
  send: (type: string, object: object) => void;
  sendLine: (line: string) => void;
  end: () => void;
  fail: (error: unknown) => void;
  closed: boolean;
}

/** A Transport that answers as the test says. */
export interface ScriptedTransport extends Transport {
  requests: KubeRequest[];
  streams: ScriptedStream[];
  /** The latest stream. */
  latestStream: () => ScriptedStream;
  /** Answers of `request`, in order; an Error is thrown. Without one left, requests fail. */
  answers: (object | Error)[];
  /** Thrown by `stream`, in order, before it opens any. */
  refusals: Error[];
}

export function createScriptedTransport(): ScriptedTransport {
  const transport: ScriptedTransport = {
    requests: [],
    streams: [],
    answers: [],
    refusals: [],
    latestStream: () => {
      const stream = transport.streams.at(-1);
      if (stream === undefined) throw new Error('no stream was opened');
      return stream;
    },
    async request(request) {
      transport.requests.push(request);
      await Promise.resolve();
      const next = transport.answers.shift() ?? failure(503, 'ServiceUnavailable');
      if (next instanceof Error) throw next;
      return { status: 200, body: next };
    },
    async stream(request) {
      await Promise.resolve();
      const refusal = transport.refusals.shift();
      if (refusal !== undefined) throw refusal;
      const pending: (string | Error | undefined)[] = [];
      let wake: (() => void) | undefined;
      const put = (item: string | Error | undefined): void => {
        pending.push(item);
        wake?.();
      };
      const stream: ScriptedStream = {
        request,
        send: (type, object) => put(JSON.stringify({ type, object })),
        sendLine: put,
        end: () => put(undefined),
        fail: (error) => put(error instanceof Error ? error : new Error(String(error))),
        closed: false,
      };
      transport.streams.push(stream);
      request.signal?.addEventListener('abort', () => stream.fail(request.signal?.reason));
      async function* lines(): AsyncGenerator<string> {
        try {
          while (true) {
            while (pending.length === 0) await new Promise<void>((resolve) => (wake = resolve));
            const item = pending.shift();
            if (item === undefined) return;
            if (item instanceof Error) throw item;
            yield item;
          }
        } finally {
          stream.closed = true;
        }
      }
      return { lines: lines(), close: () => stream.end() };
    },
    close: () => Promise.resolve(),
  };
  return transport;
}

export function failure(status: number, reason: string, retryAfterSeconds?: number): KubeError {
  return new KubeError({
    status,
    reason,
    message: reason,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
