import { expect } from 'chai';
import { createServer as createHttpsServer } from 'node:https';
import type { ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { KubeError } from '../../../src/kube/errors.ts';
import { createTransport } from '../../../src/kube/transport.ts';
import type { KubeRequest, Transport, TransportOptions } from '../../../src/kube/transport.ts';
import { answer, makeKeys, startLocalServer } from './local-server.ts';
import type { Keys, LocalServer } from './local-server.ts';
import { startProxy } from './proxy.ts';

const get: KubeRequest = { method: 'GET', path: '/api/v1/nodes' };

async function failureOf(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  );
  expect(error).to.be.instanceOf(KubeError);
  return error as KubeError;
}

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const collected: string[] = [];
  for await (const line of lines) collected.push(line);
  return collected;
}

describe('transport', () => {
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

  it('sends method, path, query, headers and JSON, and parses the answer', async () => {
    let seen: unknown;
    server.handle((stream, headers, body) => {
      seen = {
        method: headers[':method'],
        path: headers[':path'],
        accept: headers.accept,
        type: headers['content-type'],
        agent: headers['user-agent'],
        body,
      };
      answer(stream, 201, { kind: 'Foo' });
    });
    const response = await transport.request({
      method: 'PATCH',
      path: '/apis/x/v1/foos/a%2Fb',
      query: { force: true, limit: 5, continue: undefined, labelSelector: 'a=b,c' },
      body: { a: 'ä' },
      contentType: 'application/apply-patch+yaml',
      accept: 'application/json;as=Table',
    });
    expect(response).to.deep.equal({ status: 201, body: { kind: 'Foo' } });
    expect(seen).to.deep.equal({
      method: 'PATCH',
      path: '/apis/x/v1/foos/a%2Fb?force=true&limit=5&labelSelector=a%3Db%2Cc',
      accept: 'application/json;as=Table',
      type: 'application/apply-patch+yaml',
      agent: 'tests/1',
      body: '{"a":"ä"}',
    });
  });

  it('takes an empty answer as an empty object', async () => {
    server.handle((stream) => answer(stream, 200, ''));
    expect((await transport.request(get)).body).to.deep.equal({});
  });

  it('keeps the path of a proxy in front, and asks for the token before every request', async () => {
    const seen: string[] = [];
    server.handle((stream, headers) => {
      seen.push(`${headers[':path']} ${headers.authorization}`);
      answer(stream, 200, {});
    });
    let asked = 0;
    const url = `${server.access.url}/k8s/clusters/c-1/`;
    const other = reach({}, { ...server.access, url, token: () => Promise.resolve(`t${++asked}`) });
    await other.request(get);
    await other.request(get);
    await other.close();
    expect(seen).to.deep.equal([
      '/k8s/clusters/c-1/api/v1/nodes Bearer t1',
      '/k8s/clusters/c-1/api/v1/nodes Bearer t2',
    ]);
  });

  it('fails a request whose token cannot be got', async () => {
    const other = reach({}, { ...server.access, token: () => Promise.reject(new Error('no such file')) });
    expect((await failureOf(other.request(get))).message).to.contain('no such file');
    await other.close();
  });

  it('does everything at once over one connection', async () => {
    server.handle((stream, headers) => {
      if (headers[':path']?.includes('watch') === true) stream.respond({ ':status': 200 });
      else answer(stream, 200, {});
    });
    const watches = [1, 2, 3].map(() => transport.stream({ ...get, query: { watch: true } }));
    await Promise.all([...watches, ...Array.from({ length: 50 }, () => transport.request(get))]);
    expect(server.sessions).to.have.length(1);
  });

  it('queues what is above the streams that the server allows', async () => {
    const narrow = await startLocalServer(keys, { maxStreams: 2 });
    let open = 0;
    let most = 0;
    narrow.handle((stream) => {
      open += 1;
      most = Math.max(most, open);
      setImmediate(() => {
        open -= 1;
        answer(stream, 200, {});
      });
    });
    const other = reach({}, narrow.access);
    await Promise.all(Array.from({ length: 40 }, () => other.request(get)));
    expect([narrow.sessions.length, most]).to.deep.equal([1, 2]);
    await other.close();
    await narrow.stop();
  });

  describe('errors', () => {
    const status = { kind: 'Status', message: 'nodes is forbidden', reason: 'Forbidden', code: 403 };
    const cases = [
      {
        title: 'a Status',
        code: 403,
        body: status,
        reason: 'Forbidden',
        message: 'GET /api/v1/nodes: nodes is forbidden',
      },
      {
        title: 'plain text',
        code: 404,
        body: '404 page not found\n',
        reason: 'Http404',
        message: 'GET /api/v1/nodes: 404 page not found',
      },
      { title: 'nothing', code: 502, body: '', reason: 'Http502', message: 'GET /api/v1/nodes: HTTP status 502' },
      { title: 'other JSON', code: 500, body: '"x"', reason: 'Http500', message: 'GET /api/v1/nodes: "x"' },
      { title: 'a redirect', code: 302, body: '', reason: 'Http302', message: 'GET /api/v1/nodes: HTTP status 302' },
    ];
    for (const { title, code, body, reason, message } of cases) {
      it(`reads ${title}`, async () => {
        server.handle((stream) => answer(stream, code, body));
        for (const failing of [transport.request(get), transport.stream(get)]) {
          expect(await failureOf(failing)).to.include({ status: code, reason, message });
        }
      });
    }

    it('reads Retry-After from the header, else from the Status', async () => {
      const details = { retryAfterSeconds: 9 };
      server.handle((stream, headers) => {
        const header: Record<string, string> = headers[':path'] === '/header' ? { 'retry-after': '3' } : {};
        answer(
          stream,
          429,
          { kind: 'Status', details },
          headers[':path'] === '/date' ? { 'retry-after': 'Fri' } : header,
        );
      });
      const seconds = (path: string): Promise<number | undefined> =>
        failureOf(transport.request({ ...get, path })).then((error) => error.retryAfterSeconds);
      expect(await seconds('/header')).to.equal(3);
      expect(await seconds('/details')).to.equal(9);
      expect(await seconds('/date')).to.equal(9);
    });

    it('refuses an answer that is not JSON', async () => {
      server.handle((stream) => answer(stream, 200, '<html>'));
      expect(await failureOf(transport.request(get))).to.include({ status: 0, reason: 'InvalidResponse' });
    });

    it('refuses an answer that is too large, and goes on', async () => {
      const small = reach({ maxBytes: 1000 });
      server.handle((stream, headers) =>
        answer(stream, 200, { x: 'y'.repeat(headers[':path'] === '/big' ? 2000 : 10) }),
      );
      expect(await failureOf(small.request({ ...get, path: '/big' }))).to.include({ reason: 'ResponseTooLarge' });
      expect((await small.request(get)).body).to.deep.equal({ x: 'y'.repeat(10) });
      await small.close();
    });

    it('reports a connection that ends before or within the answer', async () => {
      server.handle((stream, headers) => {
        if (headers[':path'] === '/within') {
          stream.respond({ ':status': 200 });
          stream.write('{"half":');
        }
        setTimeout(() => stream.session?.destroy(), 20);
      });
      for (const path of ['/before', '/within']) {
        const error = await failureOf(transport.request({ ...get, path }));
        expect(error, path).to.include({ status: 0, reason: 'ConnectionFailed' });
      }
    });

    it('reports a server that resets the stream', async () => {
      server.handle((stream) => stream.close(2));
      expect(await failureOf(transport.request(get))).to.include({ status: 0, reason: 'ConnectionFailed' });
    });

    it('reports a server that is not there, and reaches it when it is back', async () => {
      await server.stop();
      expect(await failureOf(transport.request(get))).to.include({ status: 0, reason: 'ConnectionFailed' });
      server = await startLocalServer(keys, { port: server.port });
      server.handle((stream) => answer(stream, 200, {}));
      await transport.request(get);
    });
  });

  describe('TLS', () => {
    it('refuses a server that another authority signed', async () => {
      const other = reach({}, { url: server.access.url, ca: (await makeKeys()).ca });
      const error = await failureOf(other.request(get));
      expect(error.message).to.match(/signature|certificate|unable to/i);
      await other.close();
    });

    it('refuses a server of another name, unless that is the one expected', async () => {
      server.handle((stream) => answer(stream, 200, {}));
      const wrong = reach({}, { ...server.access, serverName: 'other.test' });
      expect((await failureOf(wrong.request(get))).message).to.contain('other.test');
      await wrong.close();
      const right = reach({}, { ...server.access, serverName: 'kube.test' });
      await right.request(get);
      await right.close();
    });

    it('says so when the server does not speak HTTP/2', async () => {
      const old = createHttpsServer({ cert: keys.cert, key: keys.key, ALPNProtocols: ['http/1.1'] }).listen(
        0,
        '127.0.0.1',
      );
      await new Promise((resolve) => old.once('listening', resolve));
      const url = `https://127.0.0.1:${(old.address() as AddressInfo).port}`;
      const other = reach({}, { ...server.access, url });
      expect((await failureOf(other.request(get))).message).to.contain('HTTP/2');
      await other.close();
      old.closeAllConnections();
      await new Promise((resolve) => old.close(resolve));
    });
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
      const { lines } = await transport.stream({ ...get, timeoutMs: 100 });
      setTimeout(() => remote?.end('late\n'), 200);
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
      await new Promise((resolve) => setTimeout(resolve, 20));
      await transport.request(get);
      expect(server.sessions).to.have.length(2);
      streams[0]?.end('last\n');
      expect(await collect(lines)).to.deep.equal(['last']);
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
