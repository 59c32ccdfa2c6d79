import { expect } from 'chai';
import { KubeError } from '../../../src/kube/errors.ts';
import { startWorkQueue } from '../../../src/kube/work-queue.ts';
import type { ReconcileResult, WorkQueue, WorkQueueOptions } from '../../../src/kube/work-queue.ts';
import { createManualClock, settled } from './manual-clock.ts';
import type { ManualClock } from './manual-clock.ts';

interface Run {
  key: string;
  at: number;
  signal: AbortSignal;
  finish: (result?: ReconcileResult) => void;
  fail: (error: unknown) => void;
}

interface Bench {
  queue: WorkQueue;
  clock: ManualClock;
  runs: Run[];
  errors: { key: string; retryInMs: number }[];
  keys: () => string[];
  run: (index: number) => Run;
}

function start(options: Partial<WorkQueueOptions> = {}): Bench {
  const clock = createManualClock(0);
  const runs: Run[] = [];
  const errors: { key: string; retryInMs: number }[] = [];
  const queue = startWorkQueue({
    reconcile: (key, signal) =>
      new Promise((finish, fail) => {
        runs.push({ key, at: clock.now(), signal, finish, fail });
      }),
    concurrency: 10,
    clock,
    random: () => 1,
    onError: (key, _error, retryInMs) => errors.push({ key, retryInMs }),
    baseDelayMs: 100,
    maxDelayMs: 1000,
    ...options,
  });
  return {
    queue,
    clock,
    runs,
    errors,
    keys: () => runs.map(({ key }) => key),
    run: (index) => runs.at(index) ?? expect.fail(`no run ${index}`),
  };
}

describe('work queue', () => {
  it('reconciles a key once, however often it was added before its turn', async () => {
    const { queue, keys } = start();
    for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
    await settled();
    expect(keys()).to.deep.equal(['a', 'b']);
  });

  it('does not reconcile within add', () => {
    const { queue, runs } = start();
    queue.add('a');
    expect(runs).to.have.length(0);
  });

  it('never runs a key twice at once, and runs it once more if it was added meanwhile', async () => {
    const { queue, keys, run } = start();
    queue.add('a');
    await settled();
    queue.add('a');
    queue.add('a');
    await settled();
    expect(keys()).to.deep.equal(['a']);
    run(0).finish();
    await settled();
    expect(keys()).to.deep.equal(['a', 'a']);
    run(1).finish();
    await settled();
    expect(keys()).to.deep.equal(['a', 'a']);
  });

  it('runs no more at once than allowed, in the order of adding', async () => {
    const { queue, keys, run } = start({ concurrency: 2 });
    for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
    await settled();
    expect(keys()).to.deep.equal(['a', 'b']);
    expect(queue.size()).to.equal(2);
    run(1).finish();
    await settled();
    expect(keys()).to.deep.equal(['a', 'b', 'c']);
  });

  it('lets others pass a key that waits for its own run to end', async () => {
    const { queue, keys } = start({ concurrency: 2 });
    queue.add('a');
    await settled();
    queue.add('a');
    queue.add('b');
    await settled();
    expect(keys()).to.deep.equal(['a', 'b']);
  });

  it('keeps the earliest of several later times', async () => {
    const { queue, clock, runs } = start();
    queue.addAfter('a', 5000);
    queue.addAfter('a', 2000);
    queue.addAfter('a', 9000);
    await clock.advance(20_000);
    expect(runs.map(({ at }) => at)).to.deep.equal([2000]);
  });

  it('adds at once what is due already', async () => {
    const { queue, keys } = start();
    queue.addAfter('a', 0);
    queue.addAfter('b', -5);
    await settled();
    expect(keys()).to.deep.equal(['a', 'b']);
  });

  it('reconciles again after what the result asks for', async () => {
    const { queue, clock, runs, run } = start();
    queue.add('a');
    await settled();
    run(0).finish({ requeueAfterMs: 3000 });
    await clock.advance(2999);
    expect(runs).to.have.length(1);
    await clock.advance(1);
    expect(runs).to.have.length(2);
  });

  it('backs off per key from the base to the maximum, and begins anew after a success', async () => {
    const { queue, clock, errors, run, runs } = start();
    queue.add('a');
    for (const wait of [100, 200, 400, 800, 1000, 1000]) {
      await settled();
      run(-1).fail(new Error('no'));
      await settled();
      expect(errors.at(-1)).to.deep.equal({ key: 'a', retryInMs: wait });
      await clock.advance(wait);
    }
    run(-1).finish();
    await settled();
    queue.add('a');
    await settled();
    run(-1).fail(new Error('no'));
    await settled();
    expect(errors.at(-1)).to.deep.equal({ key: 'a', retryInMs: 100 });
    expect(runs).to.have.length(8);
  });

  it('waits as long as Retry-After says', async () => {
    const { queue, errors, run } = start({ random: () => 0 });
    queue.add('a');
    await settled();
    run(0).fail(new KubeError({ status: 429, reason: 'TooManyRequests', message: 'slow', retryAfterSeconds: 7 }));
    await settled();
    expect(errors).to.deep.equal([{ key: 'a', retryInMs: 7000 }]);
  });

  it('takes a throw that is not a rejection as a failure too', async () => {
    const { queue, errors } = start({
      reconcile: () => {
        throw new Error('at once');
      },
    });
    queue.add('a');
    await settled();
    expect(errors).to.have.length(1);
  });

  it('stops: aborts what runs, waits for it, and takes nothing any more', async () => {
    const { queue, clock, errors, run, runs } = start({ concurrency: 1 });
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 1000);
    await settled();
    let stopped = false;
    const stop = queue.stop().then(() => {
      stopped = true;
      return undefined;
    });
    await settled();
    expect(run(0).signal.aborted).to.equal(true);
    expect(stopped).to.equal(false);
    run(0).fail(new Error('aborted'));
    await stop;
    queue.add('d');
    queue.addAfter('e', 10);
    await clock.advance(10_000);
    expect(runs).to.have.length(1);
    expect(errors).to.have.length(0);
    expect(clock.sleepers()).to.deep.equal([]);
    expect(queue.size()).to.equal(0);
  });
});
