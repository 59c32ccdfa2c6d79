import { expect } from 'chai';
import { Counter, Registry } from 'prom-client';
import { startHealthServer } from '../../src/health.ts';
import type { HealthServer } from '../../src/health.ts';

describe('health', () => {
  let server: HealthServer;
  let ready: string | undefined;

  beforeEach(async () => {
    const metrics = new Registry();
    new Counter({ name: 'things_total', help: 'Things', registers: [metrics] }).inc(3);
    ready = undefined;
    server = await startHealthServer({
      port: 0,
      host: '127.0.0.1',
      checks: {
        livez: { loop: () => undefined },
        readyz: { cache: () => ready, config: () => undefined },
      },
      metrics,
    });
  });
  afterEach(() => server.stop());

  async function get(path: string, method = 'GET'): Promise<{ status: number; body: string; type: string | null }> {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    return { status: answer.status, body: await answer.text(), type: answer.headers.get('content-type') };
  }

  it('says that all is well', async () => {
    expect(await get('/healthz')).to.include({ status: 200, body: '[+]loop ok\nok\n' });
    expect(await get('/livez?verbose')).to.include({ status: 200 });
    expect(await get('/readyz')).to.include({ status: 200, body: '[+]cache ok\n[+]config ok\nok\n' });
  });

  it('names the check that fails, with its reason', async () => {
    ready = 'no list yet';
    expect(await get('/readyz')).to.include({
      status: 503,
      body: '[-]cache failed: no list yet\n[+]config ok\nfailed\n',
    });
    expect(await get('/healthz')).to.include({ status: 200 });
  });

  it('counts a check that throws as failed', async () => {
    await server.stop();
    server = await startHealthServer({
      port: 0,
      checks: { livez: { bad: thrown }, readyz: {} },
      metrics: new Registry(),
    });
    expect(await get('/healthz')).to.include({
      status: 503,
      body: '[-]bad failed: the check itself failed: Error: oops\nfailed\n',
    });
    expect(await get('/readyz')).to.include({ status: 200, body: 'ok\n' });
  });

  it('shows metrics as Prometheus reads them', async () => {
    const metrics = await get('/metrics');
    expect(metrics.body).to.contain('things_total 3');
    expect(metrics.type).to.contain('text/plain').and.to.contain('version=');
  });

  it('refuses everything else', async () => {
    expect(await get('/')).to.include({ status: 404 });
    expect(await get('/readyz', 'POST')).to.include({ status: 405 });
    expect(await get('/readyz', 'HEAD')).to.include({ status: 200, body: '' });
  });

  it('answers 500 if the metrics cannot be collected', async () => {
    await server.stop();
    const metrics = new Registry();
    metrics.metrics = () => Promise.reject(new Error('oops'));
    server = await startHealthServer({ port: 0, checks: { livez: {}, readyz: {} }, metrics });
    expect(await get('/metrics')).to.include({ status: 500, body: 'Error: oops\n' });
  });

  it('throws if the port is taken', async () => {
    const failed = await startHealthServer({
      port: server.port,
      host: '127.0.0.1',
      checks: { livez: {}, readyz: {} },
      metrics: new Registry(),
    }).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    expect(failed).to.equal('EADDRINUSE');
  });

  it('frees the port when it stops, whatever is in progress', async () => {
    await get('/healthz');
    await server.stop();
    const gone = await get('/healthz').catch(() => 'gone');
    expect(gone).to.equal('gone');
  });
});

function thrown(): never {
  throw new Error('oops');
}
