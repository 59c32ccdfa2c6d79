import { once } from 'node:events';
import { Agent } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import type { AdmissionHandler } from '../../../src/admission/admission-review.ts';
import type { CheckedCertificate } from '../../../src/admission/certificate/stored.ts';
import { startAdmissionServer } from '../../../src/admission/server.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import { fakeLogger } from '../controller/fake-client.ts';
import { manualCertificate, newCertificate, startWorld, type AdmissionWorld } from './admission-world.ts';
import { review } from './reviews.ts';
import { call, HOST, type Answered, type Call } from './webhook-client.ts';

const REVIEW = JSON.stringify(review());

const allow: AdmissionHandler = () => Promise.resolve({ allowed: true });

const send = ({ server, ca }: AdmissionWorld, options: Partial<Call> = {}): Promise<Answered> =>
  call({ port: server.port, ca, body: REVIEW, ...options });

/** A handler that waits until a test lets it go on. */
function heldHandler() {
  const release = Promise.withResolvers<void>();
  const signals: AbortSignal[] = [];
  const entered: (() => void)[] = [];
  const handler: AdmissionHandler = async (_request, signal) => {
    signals.push(signal);
    entered.forEach((resolve) => resolve());
    await release.promise;
    return { allowed: true };
  };
  /** Resolves when so many calls are inside. */
  const inside = async (count: number): Promise<void> => {
    while (signals.length < count) await new Promise<void>((resolve) => entered.push(resolve));
  };
  return { handler, signals, inside, release: release.resolve };
}

describe('the admission server', () => {
  let world: AdmissionWorld | undefined;
  const agents: Agent[] = [];

  afterEach(async () => {
    agents.splice(0).forEach((agent) => agent.destroy());
    await world?.server.stop();
    world = undefined;
  });

  async function start(...args: Parameters<typeof startWorld>): Promise<AdmissionWorld> {
    world = await startWorld(...args);
    return world;
  }

  function keepAlive(): Agent {
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    agents.push(agent);
    return agent;
  }

  it('answers an AdmissionReview with the handler’s answer', async () => {
    const seen: unknown[] = [];
    const world = await start({
      '/review': (request) => {
        seen.push(request.userInfo.username);
        return Promise.resolve({ allowed: false, message: 'line 3: no', code: 422 });
      },
    });
    const { status, body } = await send(world, { path: '/review?timeout=10s' });
    expect(status).to.equal(200);
    expect(JSON.parse(body)).to.deep.include({
      response: { uid: 'uid-1', allowed: false, status: { status: 'Failure', message: 'line 3: no', code: 422 } },
    });
    expect(seen).to.deep.equal(['somebody']);
    expect(await world.counted()).to.deep.equal({ '/review refused': 1 });
  });

  describe('says what is wrong with a call, and goes on', () => {
    for (const [title, options, status, message] of [
      ['another path', { path: '/other' }, 404, 'there is no webhook at this path'],
      ['a path that is no URL', { path: '//[' }, 404, 'there is no webhook at this path'],
      ['GET', { method: 'GET', body: '' }, 405, 'a webhook is called by POST'],
      [
        'a form',
        { headers: { 'content-type': 'text/plain' } },
        415,
        'the content type of an AdmissionReview is application/json',
      ],
      ['no JSON', { body: '{"kind' }, 400, 'the body is not JSON'],
      ['no body', { body: '' }, 400, 'the body is not JSON'],
      ['another object', { body: '{"kind":"Pod"}' }, 400, 'the body is not an AdmissionReview of admission.k8s.io/v1'],
      ['a body that is too large', { body: 'x'.repeat(70_000) }, 413, 'the body has more than 65536 bytes'],
    ] as const) {
      it(title, async () => {
        const world = await start({ '/review': allow }, { bodyBytes: 65_536 });
        const agent = keepAlive();
        const answered = await send(world, { ...options, agent });
        expect(answered).to.deep.include({ status, body: `apparmor-operator: ${message}\n` });
        expect((await send(world, { agent })).status).to.equal(200);
        const path = 'path' in options ? 'other' : '/review';
        expect(await world.counted()).to.deep.equal({ [`${path} invalid`]: 1, '/review allowed': 1 });
      });
    }

    it('what is not HTTP', async () => {
      const world = await start({ '/review': allow });
      const socket = connectTls({ host: HOST, port: world.server.port, ca: [...world.ca] });
      await once(socket, 'secureConnect');
      socket.setEncoding('utf8').end('HELO webhook\r\n\r\n');
      const [text] = (await once(socket, 'data')) as [string];
      expect(text).to.match(/^HTTP\/1\.1 400 Bad Request/);
      expect((await send(world)).status).to.equal(200);
    });

    it('a body whose end does not come in time', async () => {
      const world = await start({ '/review': allow }, { callMs: 100 });
      const answered = await send(world, { headers: { 'content-length': '999' } });
      expect(answered).to.deep.equal({
        status: 504,
        body: 'apparmor-operator: no answer within 100 ms\n',
        connection: 'close',
      });
    });
  });

  it('a body just as large as it may be is read, and one of many times the size is cut off', async () => {
    const world = await start({ '/review': allow }, { bodyBytes: 65_536 });
    const padded = REVIEW + ' '.repeat(65_536 - REVIEW.length);
    expect((await send(world, { body: padded })).status).to.equal(200);
    const flood = await send(world, { body: Buffer.alloc(32 * 1024 * 1024, 'x') }).catch((error: unknown) => error);
    expect(flood).to.satisfy((end: Answered | Error) => end instanceof Error || end.status === 413);
  });

  it('an exception is an HTTP 500, so that the failure policy decides; the log has it, the answer not', async () => {
    const world = await start({ '/review': () => Promise.reject(new Error('secret detail')) });
    const { status, body } = await send(world);
    expect(status).to.equal(500);
    expect(body).to.equal('apparmor-operator: the webhook failed; the log of the controller says how\n');
    expect(world.logger.lines).to.deep.equal(['error an admission handler failed']);
    expect(await world.counted()).to.deep.equal({ '/review error': 1 });
  });

  it('what a handler that fails began beside is told to end', async () => {
    const { handler, signals } = heldHandler();
    const world = await start({
      '/review': async (...call) => (await Promise.all([handler(...call), Promise.reject(new Error('beside'))]))[0],
    });
    expect(await send(world)).to.include({ status: 500 });
    expect(signals[0]?.aborted).to.equal(true);
  });

  it('a handler that takes longer than the API server waits is told to end, and the API server is told first', async () => {
    const { handler, signals, release } = heldHandler();
    const world = await start({ '/review': handler });
    const answered = await send(world, { path: '/review?timeout=1s' });
    expect(answered).to.deep.include({ status: 504, body: 'apparmor-operator: no answer within 950 ms\n' });
    expect(signals[0]?.aborted).to.equal(true);
    expect(await world.counted()).to.deep.equal({ '/review timeout': 1 });
    release();
  });

  it('a handler is told when the API server hangs up', async () => {
    const { handler, signals, inside, release } = heldHandler();
    const world = await start({ '/review': handler });
    const hangUp = new AbortController();
    const sent = send(world, { signal: hangUp.signal }).catch((error: Error) => error.name);
    await inside(1);
    const told = once(signals[0]!, 'abort');
    hangUp.abort();
    expect(await sent).to.equal('AbortError');
    await told;
    release();
  });

  it('takes so many calls at once, and no more bytes than it may hold', async () => {
    const { handler, inside, release } = heldHandler();
    const world = await start({ '/review': handler }, { calls: 2, bodyBytes: 65_536, heldBytes: 100_000 });
    const large = REVIEW + ' '.repeat(60_000);
    const first = send(world, { body: large });
    await inside(1);
    expect(await send(world, { body: large })).to.deep.include({
      status: 503,
      body: 'apparmor-operator: calls with 100000 bytes are being answered already\n',
    });
    const second = send(world);
    await inside(2);
    expect(await send(world)).to.deep.include({
      status: 503,
      body: 'apparmor-operator: 2 calls are being answered already\n',
    });
    release();
    expect([(await first).status, (await second).status]).to.deep.equal([200, 200]);
    // Nothing of what was refused is still counted.
    expect((await send(world, { body: large })).status).to.equal(200);
    expect(await world.counted()).to.deep.equal({ '/review allowed': 3, '/review busy': 2 });
  });

  it('a path that ends in a slash stands for all below it, and is what is counted', async () => {
    const world = await start({ '/below/': allow });
    const statuses = [];
    for (const path of ['/below/a', '/below/b?timeout=1s', '/below', '/else/below/a']) {
      statuses.push((await send(world, { path })).status);
    }
    expect(statuses).to.deep.equal([200, 200, 404, 404]);
    expect(await world.counted()).to.deep.equal({ '/below/ allowed': 2, 'other invalid': 2 });
  });

  it('keeps connections for the next call', async () => {
    const world = await start({ '/review': allow });
    const agent = keepAlive();
    let connections = 0;
    for (let count = 0; count < 5; count++) {
      const { connection } = await send(world, { agent });
      expect(connection).to.equal('keep-alive');
      connections = Math.max(connections, Object.values(agent.freeSockets).flat().length);
    }
    expect(connections).to.equal(1);
  });

  it('without a certificate each handshake fails; with it, new connections work at once', async () => {
    const world = await start({ '/review': allow });
    const first = world.certificate.current()!;
    const empty = manualCertificate();
    const server = await startAdmissionServer({
      port: 0,
      host: HOST,
      certificate: empty,
      handlers: new Map([['/review', allow]]),
      metrics: { answered: () => undefined },
      logger: fakeLogger(),
      clock: systemClock,
    });
    try {
      const refused = await call({ port: server.port, ca: world.ca }).catch((error: Error) => error.message);
      expect(refused).to.match(/handshake failure/);
      empty.set({ ...newCertificate(), ...first, authority: world.ca[0]! });
      expect((await call({ port: server.port, ca: world.ca, body: REVIEW })).status).to.equal(200);
    } finally {
      await server.stop();
    }
  });

  it('a certificate that cannot be used changes nothing, and the key is in no log', async () => {
    const world = await start({ '/review': allow });
    const next = newCertificate();
    world.certificate.set({ ...next, key: next.key.slice(0, 100) });
    expect((await send(world)).status).to.equal(200);
    expect(world.logger.lines).to.deep.equal([
      'error the new webhook certificate cannot be used; the one before serves on',
    ]);
  });

  it('a rotation drops no call: old and new connections, old and new authority', async function () {
    this.timeout(60_000);
    const world = await start({ '/review': allow });
    const first = world.certificate.current() as CheckedCertificate;
    const next = newCertificate();
    const both = [...world.ca, next.authority];
    const stop = new AbortController();
    const answers: Record<string, number> = {};
    const count = (key: string): void => void (answers[key] = (answers[key] ?? 0) + 1);
    const steadily = async (agent: Agent | undefined): Promise<void> => {
      while (!stop.signal.aborted) {
        const answered = send(world, { ca: both, ...(agent === undefined ? {} : { agent }) });
        count(await answered.then(({ status }) => `${status}`, String));
      }
    };
    const callers = [keepAlive(), keepAlive(), undefined, undefined].map(steadily);
    const answered = async (more: number): Promise<void> => {
      const enough = (answers['200'] ?? 0) + more;
      while ((answers['200'] ?? 0) < enough && Object.keys(answers).every((key) => key === '200')) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await answered(40);
    for (const certificate of [next, first, next, first, next]) {
      world.certificate.set(certificate);
      await answered(20);
    }
    stop.abort();
    await Promise.all(callers);
    expect(Object.keys(answers)).to.deep.equal(['200']);
    expect(answers['200']).to.be.at.least(140);
    // Who still trusts the old authority alone sees that the certificate is another: the rotation has happened.
    const old = await send(world).catch((error: NodeJS.ErrnoException) => error.code);
    expect(old).to.match(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT/);
  });

  it('stopping answers what is in flight, closes what is idle, and takes nothing new', async () => {
    const { handler, inside, release } = heldHandler();
    const world = await start({ '/review': handler, '/quick': allow });
    const idle = keepAlive();
    expect((await send(world, { agent: idle, path: '/quick' })).status).to.equal(200);
    const inFlight = send(world, { agent: keepAlive() });
    await inside(1);
    const stopped = world.server.stop();
    const refused = await send(world).catch((error: NodeJS.ErrnoException) => error.code);
    expect(refused).to.equal('ECONNREFUSED');
    release();
    expect(await inFlight).to.deep.include({ status: 200, connection: 'close' });
    await stopped;
    expect(Object.values(idle.freeSockets).flat()).to.have.length(0);
  });

  it('does not start on a port that is taken', async () => {
    const { server } = await start({});
    const second = startAdmissionServer({
      port: server.port,
      host: HOST,
      certificate: manualCertificate(),
      handlers: new Map(),
      metrics: { answered: () => undefined },
      logger: fakeLogger(),
      clock: systemClock,
    });
    expect(await second.then(String, (error: NodeJS.ErrnoException) => error.code)).to.equal('EADDRINUSE');
  });

  it('connections without a call do not keep it from stopping', async () => {
    const { server, ca } = await start({});
    const silent = connect(server.port, HOST);
    const dialledAhead = connectTls({ host: HOST, port: server.port, ca: [...ca] });
    for (const socket of [silent, dialledAhead]) socket.on('error', () => undefined);
    await Promise.all([once(silent, 'connect'), once(dialledAhead, 'secureConnect')]);
    await server.stop();
    for (const socket of [silent, dialledAhead]) socket.destroy();
  });
});
