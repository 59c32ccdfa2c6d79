import { expect } from 'chai';
import { slowClock } from '../../bench/stand-ins.ts';
import { createManualClock } from '../kube/manual-clock.ts';

describe('slowClock', () => {
  it('begins at the same time and goes slower; the date is right', async () => {
    const real = createManualClock();
    const start = real.now();
    const slow = slowClock(real, 10);
    expect(slow.now()).to.equal(start);
    await real.advance(5_000);
    expect(slow.now()).to.equal(start + 500);
    expect(slow.date()).to.deep.equal(real.date());
  });

  it('sleeps as much longer, and no more once its signal aborts', async () => {
    const real = createManualClock();
    const slow = slowClock(real, 10);
    const stop = new AbortController();
    let ended = 0;
    const sleeps = [slow.sleep(100), slow.sleep(1_000, stop.signal)].map((sleep) => sleep.then(() => (ended += 1)));
    await real.advance(999);
    expect(ended).to.equal(0);
    await real.advance(1);
    expect(ended).to.equal(1);
    stop.abort();
    await Promise.all(sleeps);
    expect(ended).to.equal(2);
  });
});
