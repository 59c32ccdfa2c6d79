import { expect } from 'chai';
import { createWake } from '../../../src/agent/wake.ts';
import { createManualClock } from '../kube/manual-clock.ts';

describe('agent/wake', () => {
  it('ends a wait that is on, and the next one if none is', async () => {
    const clock = createManualClock();
    const wake = createWake(clock);
    const { signal } = new AbortController();
    const waits = wake.wait(1_000, signal);
    wake.call();
    expect(await waits).to.equal(true);
    wake.call();
    wake.call();
    expect(await wake.wait(1_000, signal)).to.equal(true);
    const third = wake.wait(1_000, signal);
    await clock.advance(1_000);
    expect(await third).to.equal(false);
  });

  it('ends when the signal aborts, and leaves no timer', async () => {
    const clock = createManualClock();
    const wake = createWake(clock);
    const stop = new AbortController();
    const waits = wake.wait(1_000, stop.signal);
    stop.abort();
    expect(await waits).to.equal(false);
    expect(await wake.wait(1_000, stop.signal)).to.equal(false);
    expect(clock.sleepers()).to.deep.equal([]);
  });
});
