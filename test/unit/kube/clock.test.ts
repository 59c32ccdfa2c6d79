import { expect } from 'chai';
import { systemClock } from '../../../src/kube/clock.ts';

describe('system clock', () => {
  it('is near the wall clock, and never goes back', () => {
    expect(Math.abs(systemClock.now() - Date.now())).to.be.lessThan(60_000);
    expect(Math.abs(systemClock.date().getTime() - Date.now())).to.be.lessThan(1000);
    const earlier = systemClock.now();
    expect(systemClock.now()).to.be.at.least(earlier);
  });

  it('sleeps as long as it is told to', async () => {
    const earlier = systemClock.now();
    await systemClock.sleep(30);
    expect(systemClock.now() - earlier).to.be.greaterThan(28);
    await systemClock.sleep(-5);
  });

  it('wakes at once when the signal aborts, also from a sleep longer than timers can be', async () => {
    const controller = new AbortController();
    const sleeping = systemClock.sleep(1e12, controller.signal);
    setImmediate(() => controller.abort());
    await sleeping;
    await systemClock.sleep(1e12, controller.signal);
  });
});
