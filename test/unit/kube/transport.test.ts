import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { createTransport } from '../../../src/kube/transport.ts';
import type { KubeRequest, Transport, TransportOptions } from '../../../src/kube/transport.ts';
import { answer, makeKeys, startLocalServer } from './local-server.ts';
import type { Keys, LocalServer } from './local-server.ts';
import { failureOf } from './outcome.ts';

const get: KubeRequest = { method: 'GET', path: '/api/v1/nodes' };

describe('transport: requests', () => {
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
      const answers = ['/header', '/details', '/date'].map((path) => failureOf(transport.request({ ...get, path })));
      expect((await Promise.all(answers)).map((error) => error.retryAfterSeconds)).to.deep.equal([3, 9, 9]);
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
});
