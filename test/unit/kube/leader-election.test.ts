import { expect } from 'chai';
import { KubeError } from '../../../src/kube/errors.ts';
import { LeaseLostError, runLeaderElection } from '../../../src/kube/leader-election.ts';
import { LEASES } from '../../../src/kube/resource.ts';
import { createInMemoryClient } from './in-memory-client.ts';
import type { InMemoryClient } from './in-memory-client.ts';
import { createManualClock, settled } from './manual-clock.ts';
import type { ManualClock } from './manual-clock.ts';

interface Candidate {
  leading: boolean;
  terms: number;
  errors: unknown[];
  stopping: AbortController;
  done: Promise<void>;
  /** Ends the work of itself. */
  finish: () => void;
  fail: (error: unknown) => void;
}

const key = 'ns/lock';

function candidate(
  identity: string,
  client: InMemoryClient,
  clock: ManualClock,
  endsLate: Promise<void> = Promise.resolve(),
): Candidate {
  const stopping = new AbortController();
  const self: Candidate = {
    leading: false,
    terms: 0,
    errors: [],
    stopping,
    done: Promise.resolve(),
    finish: () => undefined,
    fail: () => undefined,
  };
  self.done = runLeaderElection({
    client,
    namespace: 'ns',
    name: 'lock',
    identity,
    clock,
    random: () => 0,
    signal: stopping.signal,
    onError: (error) => self.errors.push(error),
    async onLeading(signal) {
      self.leading = true;
      self.terms += 1;
      try {
        await new Promise<void>((resolve, reject) => {
          self.finish = resolve;
          self.fail = reject;
          signal.addEventListener('abort', () => resolve());
        });
        await endsLate;
      } finally {
        self.leading = false;
      }
    },
  });
  return self;
}

function holder(client: InMemoryClient): unknown {
  const lease = client.object(LEASES, key) as { spec: { holderIdentity: string } } | undefined;
  return lease?.spec.holderIdentity;
}

describe('leader election', () => {
  it('makes the lease, and renews it every 2 s by one request', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    expect(a.leading).to.equal(true);
    expect(client.object(LEASES, key)?.['spec']).to.deep.equal({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2030-01-01T00:00:00.000000Z',
      renewTime: '2030-01-01T00:00:00.000000Z',
      leaseTransitions: 0,
    });
    await clock.advance(60_000);
    expect(client.requests.filter((request) => request.startsWith('update'))).to.have.length(30);
    expect(client.requests.filter((request) => request.startsWith('get'))).to.have.length(1);
    a.stopping.abort();
    await a.done;
  });

  it('lets only one lead, and hands over at once when the leader stops', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    const b = candidate('b', client, clock);
    await clock.advance(60_000);
    expect([a.leading, b.leading]).to.deep.equal([true, false]);
    a.stopping.abort();
    await a.done;
    expect(holder(client)).to.equal('');
    await clock.advance(2000);
    expect(b.leading).to.equal(true);
    expect(client.object(LEASES, key)?.['spec']).to.include({ holderIdentity: 'b', leaseTransitions: 1 });
    expect([...a.errors, ...b.errors]).to.deep.equal([]);
    b.stopping.abort();
    await b.done;
  });

  it('takes a lease that was seen unchanged for its whole duration, whatever its times say', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const spec = { holderIdentity: 'gone', leaseDurationSeconds: 20, renewTime: '1990-01-01T00:00:00.000000Z' };
    await client.create(LEASES, { metadata: { namespace: 'ns', name: 'lock' }, spec });
    const b = candidate('b', client, clock);
    await clock.advance(20_000);
    expect(b.leading).to.equal(false);
    await clock.advance(2000);
    expect(b.leading).to.equal(true);
    b.stopping.abort();
    await b.done;
  });

  it('waits for another that renews by a clock of the future or the past', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const lease = {
      metadata: { namespace: 'ns', name: 'lock' },
      spec: { holderIdentity: 'x', leaseDurationSeconds: 15 },
    };
    await client.create(LEASES, lease);
    const b = candidate('b', client, clock);
    for (let round = 0; round < 10; round++) {
      await clock.advance(10_000);
      await client.update(LEASES, lease);
    }
    expect(b.leading).to.equal(false);
    b.stopping.abort();
    await b.done;
  });

  it('steps down when it cannot renew for 10 s, which is before another may take the lease', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await clock.advance(4000);
    expect(a.leading).to.equal(true);
    client.failure = new KubeError({ status: 0, reason: 'ConnectionFailed', message: 'down' });
    await clock.advance(9999);
    expect(a.leading).to.equal(true);
    await clock.advance(1);
    expect(a.leading).to.equal(false);
    expect(a.errors.filter((error) => error instanceof LeaseLostError)).to.have.length(1);
    client.failure = undefined;
    await clock.advance(2000);
    expect([a.leading, a.terms]).to.deep.equal([true, 2]);
    a.stopping.abort();
    await a.done;
  });

  it('steps down at once when another holds the lease', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    await client.update(LEASES, {
      metadata: { namespace: 'ns', name: 'lock' },
      spec: { holderIdentity: 'thief', leaseDurationSeconds: 15 },
    });
    // The conflict of its write makes it read, and the read tells.
    await clock.advance(4000);
    expect(a.leading).to.equal(false);
    expect(String(a.errors.at(-1))).to.contain('taken by thief');
    a.stopping.abort();
    await a.done;
    expect(holder(client)).to.equal('thief');
  });

  it('goes on leading when somebody else edited its lease', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    await client.mergePatch(LEASES, { namespace: 'ns', name: 'lock' }, { note: 'edited' });
    await clock.advance(30_000);
    expect([a.leading, a.terms]).to.deep.equal([true, 1]);
    expect(client.object(LEASES, key)).to.include({ note: 'edited' });
    a.stopping.abort();
    await a.done;
  });

  it('makes the lease again when it was deleted', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    await client.delete(LEASES, { namespace: 'ns', name: 'lock' });
    await clock.advance(4000);
    expect([a.leading, a.terms, holder(client)]).to.deep.equal([true, 1, 'a']);
    a.stopping.abort();
    await a.done;
  });

  it('does not release or compete before its work has ended', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const late = Promise.withResolvers<void>();
    const a = candidate('a', client, clock, late.promise);
    await settled();
    a.stopping.abort();
    await clock.advance(5000);
    expect([a.leading, holder(client)]).to.deep.equal([true, 'a']);
    late.resolve();
    await a.done;
    expect([a.leading, holder(client)]).to.deep.equal([false, '']);
  });

  it('ends when the work returns, and releases the lease', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    a.finish();
    await a.done;
    expect(holder(client)).to.equal('');
  });

  it('reports work that throws, gives others a chance, and tries again', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    a.fail(new Error('broken'));
    await settled();
    expect([a.leading, holder(client), String(a.errors[0])]).to.deep.equal([false, '', 'Error: broken']);
    await clock.advance(2000);
    expect([a.leading, a.terms]).to.deep.equal([true, 2]);
    a.stopping.abort();
    await a.done;
  });

  it('reports that it cannot compete, but not that another was faster', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    client.failure = new KubeError({ status: 409, reason: 'Conflict', message: 'faster' });
    const a = candidate('a', client, clock);
    await clock.advance(2000);
    expect(a.errors).to.have.length(0);
    client.failure = new KubeError({ status: 403, reason: 'Forbidden', message: 'no rights' });
    await clock.advance(2000);
    expect(a.errors).to.deep.equal([client.failure]);
    a.stopping.abort();
    await a.done;
  });

  it('reports a release that fails', async () => {
    const client = createInMemoryClient();
    const clock = createManualClock();
    const a = candidate('a', client, clock);
    await settled();
    client.failure = new KubeError({ status: 0, reason: 'ConnectionFailed', message: 'down' });
    a.stopping.abort();
    await a.done;
    expect(a.errors).to.deep.equal([client.failure]);
  });
});
