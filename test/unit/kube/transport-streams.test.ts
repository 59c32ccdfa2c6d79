import type { ServerHttp2Stream } from 'node:http2';
import { expect } from 'chai';
import { createTransport } from '../../../src/kube/transport.ts';
import type { KubeRequest, Transport, TransportOptions } from '../../../src/kube/transport.ts';
import { answer, makeKeys, startLocalServer } from './local-server.ts';
import type { Keys, LocalServer } from './local-server.ts';
import { collect, failureOf } from './outcome.ts';
import { startProxy } from './proxy.ts';

const get: KubeRequest = { method: 'GET', path: '/api/v1/nodes' };

describe('transport: streams, time and connection', () => {
  let keys: Keys;
  let server: LocalServer;
  let transport: Transport;

  function reach(options: Partial<TransportOptions> = {}, access = server.access): Transport {
    return createTransport(access, { userAgent: 'tests/1', timeoutMs: 5000, ...options });
  }

  before(async () => {
    keys = await makeKeys();
  });

  beforeEach(async () => {
    server = await startLocalServer(keys);
    transport = reach();
  });

  afterEach(async () => {
    await transport.close();
    await server.stop();
  });

  describe('time', () => {
    it('gives up on a server that does not answer, or does not finish', async () => {
      server.handle((stream, headers) => {
        if (headers[':path'] === '/half') stream.respond({ ':status': 200 });
      });
      for (const path of ['/silent', '/half']) {
        const error = await failureOf(transport.request({ ...get, path, timeoutMs: 60 }));
        expect(error).to.include({ status: 0, reason: 'Timeout' });
      }
      const opening = await failureOf(transport.stream({ ...get, path: '/silent', timeoutMs: 60 }));
      expect(opening).to.include({ reason: 'Timeout' });
    });

    it('does not end a stream by the timeout of its opening', async () => {
      let remote: ServerHttp2Stream | undefined;
      server.handle((stream) => {
        stream.respond({ ':status': 200 });
        remote = stream;
      });
      const { lines } = await transport.stream({ ...get, timeoutMs: 400 });
      setTimeout(() => remote?.end('late\n'), 500);
      expect(await collect(lines)).to.deep.equal(['late']);
    });

    it('throws the reason of the signal that aborts, whenever it does', async () => {
      server.handle((stream, headers) => {
        if (headers[':path'] === '/half') stream.respond({ ':status': 200 });
      });
      const reason = new Error('enough');
      const early = AbortSignal.abort(reason);
      const outcomes = [transport.request({ ...get, signal: early }), transport.stream({ ...get, signal: early })];
      for (const path of ['/silent', '/half']) {
        const controller = new AbortController();
        setTimeout(() => controller.abort(reason), 30);
        outcomes.push(transport.request({ ...get, path, signal: controller.signal }));
      }
      for (const outcome of await Promise.allSettled(outcomes)) {
        expect(outcome).to.deep.equal({ status: 'rejected', reason });
      }
    });

    it('leaves no listener on a signal that outlives its requests', async () => {
      const { signal } = new AbortController();
      let listeners = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => {
        listeners += 1;
        add(...args);
      };
      signal.removeEventListener = (...args: Parameters<typeof remove>) => {
        listeners -= 1;
        remove(...args);
      };
      server.handle((stream) => answer(stream, 200, '{}\n'));
      await transport.request({ ...get, signal });
      await collect((await transport.stream({ ...get, signal })).lines);
      expect(listeners).to.equal(0);
    });
  });

  describe('streams', () => {
    it('gives lines as they come, whole, and drops what was cut off', async () => {
      server.handle((stream) => {
        stream.respond({ ':status': 200 });
        stream.write('{"a":1}\n{"b"');
        setTimeout(() => stream.write(Buffer.from([0x3a, 0x22, 0xc3])), 10);
        setTimeout(() => stream.end(Buffer.from([0xa4, 0x22, 0x7d, 0x0a, 0x0a, 0x7b])), 20);
      });
      const { lines } = await transport.stream(get);
      expect(await collect(lines)).to.deep.equal(['{"a":1}', '{"b":"ä"}']);
    });

    it('refuses a line that is too long', async () => {
      const small = reach({ maxBytes: 1000 });
      server.handle((stream) => {
        stream.respond({ ':status': 200 });
        stream.write(`ok\n${'x'.repeat(1001)}`);
      });
      const { lines } = await small.stream(get);
      expect(await failureOf(collect(lines))).to.include({ reason: 'ResponseTooLarge' });
      await small.close();
    });

    it("throws when the connection breaks, and the signal's reason when the caller aborts", async () => {
      server.handle((stream) => stream.respond({ ':status': 200 }));
      const broken = await transport.stream(get);
      const failing = failureOf(collect(broken.lines));
      server.sessions[0]?.destroy();
      expect(await failing).to.include({ reason: 'ConnectionFailed' });

      const controller = new AbortController();
      const aborted = await transport.stream({ ...get, signal: controller.signal });
      const ending = collect(aborted.lines);
      controller.abort(new Error('enough'));
      expect(await ending.catch(String)).to.equal('Error: enough');
    });

    it('ends at close, and tells the server', async () => {
      const closed = Promise.withResolvers<void>();
      server.handle((stream) => {
        stream.respond({ ':status': 200 });
        stream.on('close', closed.resolve);
      });
      const stream = await transport.stream(get);
      const ending = collect(stream.lines).catch(() => []);
      stream.close();
      await Promise.all([closed.promise, ending]);
    });
  });

  describe('connection', () => {
    it('finishes streams of a server that says goodbye, and begins new ones on another connection', async () => {
      const streams: ServerHttp2Stream[] = [];
      server.handle((stream, headers) => {
        if (headers[':path'] === '/watch') {
          stream.respond({ ':status': 200 });
          streams.push(stream);
        } else answer(stream, 200, {});
      });
      const { lines } = await transport.stream({ ...get, path: '/watch' });
      server.sessions[0]?.goaway(0);
      // Until the goodbye arrives, requests use the connection that they have.
      while (server.sessions.length < 2) await transport.request(get);
      streams[0]?.end('last\n');
      expect(await collect(lines)).to.deep.equal(['last']);
    });

    it('takes another connection when the server says goodbye before a request is sent', async () => {
      server.handle((stream) => answer(stream, 200, {}));
      let goodbye = false;
      const token = async (): Promise<string> => {
        if (goodbye) server.sessions.at(-1)?.goaway(0);
        goodbye = false;
        // Usually it arrives meanwhile; if not, it crosses the request, which must not matter either.
        await new Promise((resolve) => setTimeout(resolve, 20));
        return 'token';
      };
      const other = reach({}, { ...server.access, token });
      await other.request(get);
      goodbye = true;
      await other.request({ ...get, method: 'POST', body: {} });
      expect(server.sessions).to.have.length(2);
      await other.close();
    });

    it('notices a server that vanished without a word', async () => {
      const proxy = await startProxy(server.access.url);
      const other = reach({ pingEveryMs: 50, pingTimeoutMs: 50 }, { ...server.access, url: proxy.url });
      server.handle((stream) => stream.respond({ ':status': 200 }));
      const { lines } = await other.stream(get);
      const failing = failureOf(collect(lines));
      await new Promise((resolve) => setTimeout(resolve, 150));
      proxy.freeze();
      expect((await failing).message).to.contain('ping');
      await other.close();
      await proxy.stop();
    });

    it('gives up on a server that accepts, and then says nothing', async () => {
      const proxy = await startProxy(server.access.url);
      proxy.freeze();
      const other = reach({ timeoutMs: 80 }, { ...server.access, url: proxy.url });
      expect(await failureOf(other.request(get))).to.include({ status: 0 });
      await other.close();
      await proxy.stop();
    });

    it('is not usable after close', async () => {
      await transport.close();
      expect((await failureOf(transport.request(get))).message).to.contain('closed');
    });
  });
});
