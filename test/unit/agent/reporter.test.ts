import { expect } from 'chai';
import { Registry } from 'prom-client';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { createReporter, seenNode } from '../../../src/agent/reporter.ts';
import type { Reporter } from '../../../src/agent/reporter.ts';
import type { AppArmorNode, AppArmorNodeStatus } from '../../../src/api/generated/index.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { KubeError } from '../../../src/kube/errors.ts';
import { createManualClock, settled } from '../kube/manual-clock.ts';
import type { ManualClock } from '../kube/manual-clock.ts';
import { silentLog } from './silent-log.ts';

const status = (count: number): AppArmorNodeStatus => ({ bootID: 'b', enforcing: true, loadedCount: count });

describe('agent/reporter', () => {
  let clock: ManualClock;
  let stop: AbortController;
  let reporter: Reporter;
  let running: Promise<void>;
  let patches: object[];
  let answers: Error[];
  let version: number;
  let beforeAnswer: ((version: string) => void) | undefined;

  beforeEach(() => {
    clock = createManualClock();
    stop = new AbortController();
    patches = [];
    answers = [];
    version = 10;
    beforeAnswer = undefined;
    const client = {
      mergePatch: async (_resource: unknown, key: object, patch: { status: object }, options: object) => {
        expect(key).to.deep.equal({ name: 'node-a' });
        expect(options).to.deep.include({ subresource: 'status', metadataOnly: true });
        patches.push(patch);
        await Promise.resolve();
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        version += 1;
        beforeAnswer?.(String(version));
        return { metadata: node(undefined, String(version)).metadata };
      },
    } as unknown as KubeClient;
    reporter = createReporter({
      client,
      node: 'node-a',
      signal: stop.signal,
      clock,
      random: () => 1,
      log: silentLog(),
      metrics: createAgentMetrics(new Registry()),
    });
    running = reporter.run();
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  const see = (is: object | undefined, resourceVersion = '10', uid = 'uid'): void =>
    reporter.seen(seenNode(node(is, resourceVersion, uid)));

  it('waits until there is an object and a status, then 200 ms', async () => {
    reporter.offer(status(1), false);
    await clock.advance(5_000);
    expect(patches).to.deep.equal([]);
    see(undefined);
    await clock.advance(199);
    expect(patches).to.deep.equal([]);
    expect(reporter.isCurrent()).to.equal(false);
    await clock.advance(1);
    expect(patches).to.deep.equal([{ status: status(1) }]);
    expect(reporter.isCurrent()).to.equal(true);
  });

  it('writes nothing that is there already', async () => {
    see(status(1));
    reporter.offer(status(1), false);
    await clock.advance(10_000);
    expect(patches).to.deep.equal([]);
  });

  it('folds what comes together, and what follows closely', async () => {
    see(undefined);
    for (let count = 0; count < 10; count++) reporter.offer(status(count), false);
    await clock.advance(200);
    expect(patches).to.have.length(1);
    reporter.offer(status(11), false);
    await clock.advance(1_900);
    expect(patches).to.have.length(1);
    await clock.advance(100);
    expect(patches).to.deep.equal([{ status: status(9) }, { status: { loadedCount: 11 } }]);
  });

  it('tells of a long burst after 30 s, after a minute more, and when it is over', async () => {
    see(undefined);
    const times: number[] = [];
    const start = clock.now();
    for (let change = 0; change < 200; change++) {
      const before = patches.length;
      reporter.offer(status(change), change < 199);
      await clock.advance(500);
      if (patches.length > before) times.push(clock.now() - start);
    }
    expect(times).to.deep.equal([30_000, 90_000]);
    await clock.advance(9_500);
    expect(patches).to.have.length(3);
    expect(patches[2]).to.have.nested.property('status.loadedCount', 199);
    await clock.advance(60_000);
    expect(patches).to.have.length(3);
  });

  it('tells of the first problem at once, also in a burst', async () => {
    see(undefined);
    reporter.offer(status(1), false);
    await clock.advance(1_500);
    for (const problemCount of [0, 1, 2]) {
      reporter.offer({ ...status(2), problemCount }, false);
      await clock.advance(problemCount === 1 ? 200 : 100);
    }
    expect(patches.slice(1)).to.deep.equal([{ status: { loadedCount: 2, problemCount: 1 } }]);
    await clock.advance(2_000);
    expect(patches).to.have.length(3);
  });

  it('tells of a change of its own within 200 ms, also soon after another', async () => {
    see(undefined);
    for (const count of [1, 2, 3]) {
      reporter.offer(status(count), false);
      await clock.advance(200);
      expect(patches).to.have.length(count);
      await clock.advance(4_800);
    }
  });

  it('puts right what somebody else wrote', async () => {
    see(undefined);
    reporter.offer(status(1), false);
    await clock.advance(200);
    see({ ...status(1), loadedCount: 7, message: 'x' }, '20');
    await clock.advance(2_000);
    expect(patches[1]).to.deep.equal({ status: { loadedCount: 1, message: null } });
  });

  it('takes no notice of what was before its own write', async () => {
    see(undefined);
    reporter.offer(status(1), false);
    await clock.advance(200);
    see({}, '9');
    await clock.advance(5_000);
    expect(patches).to.have.length(1);
    see({}, 'not a number');
    await clock.advance(5_000);
    expect(patches).to.have.length(2);
  });

  const dropped = { bootID: 'b', enforcing: true };
  for (const order of ['after', 'before']) {
    it(`does not write again and again what the server drops, with the watch ${order} the answer`, async () => {
      if (order === 'before') beforeAnswer = (made) => see(dropped, made);
      see(undefined);
      reporter.offer(status(1), false);
      await clock.advance(200);
      if (order === 'after') see(dropped, '11');
      reporter.offer(status(1), false);
      await clock.advance(60_000);
      see(dropped, '12');
      await clock.advance(60_000);
      expect([patches.length, reporter.isCurrent()]).to.deep.equal([1, true]);
      beforeAnswer = undefined;
      reporter.offer(status(2), false);
      await clock.advance(2_000);
      expect(patches).to.have.length(2);
    });
  }

  it('a write that changes nothing, of which no event comes, is not repeated', async () => {
    see({ ...status(1), message: 'x' }, '11');
    beforeAnswer = () => see(status(1), '11');
    reporter.offer(status(1), false);
    await clock.advance(60_000);
    expect(patches).to.deep.equal([{ status: { message: null } }]);
  });

  it('tries again after 1 and 2 s when the server fails', async () => {
    const busy = new KubeError({ status: 503, reason: 'ServiceUnavailable', message: 'busy' });
    answers = [busy, busy];
    see(undefined);
    reporter.offer(status(1), false);
    await clock.advance(200);
    expect(patches).to.have.length(1);
    await clock.advance(1_000);
    expect(patches).to.have.length(2);
    await clock.advance(2_000);
    expect(patches).to.have.length(3);
    expect(reporter.isCurrent()).to.equal(true);
  });

  it('waits for a new object when the old one is gone', async () => {
    answers = [new KubeError({ status: 404, reason: 'NotFound', message: 'gone' })];
    see(undefined);
    reporter.offer(status(1), false);
    await clock.advance(60_000);
    expect(patches).to.have.length(1);
    see(undefined, '30', 'uid-2');
    await clock.advance(2_000);
    expect(patches).to.have.length(2);
    reporter.seen(undefined);
    reporter.offer(status(2), false);
    await clock.advance(5_000);
    expect(patches).to.have.length(2);
  });

  it('ends without a further write', async () => {
    see(undefined);
    reporter.offer(status(1), false);
    stop.abort();
    await running;
    await settled();
    expect(patches).to.deep.equal([]);
  });
});

function node(is: object | undefined, resourceVersion = '10', uid = 'uid'): AppArmorNode {
  const metadata = { name: 'node-a', uid, resourceVersion, creationTimestamp: '2030-01-01T00:00:00Z' };
  return { metadata, ...(is === undefined ? {} : { status: is }) };
}
