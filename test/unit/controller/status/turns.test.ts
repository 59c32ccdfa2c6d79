import { expect } from 'chai';
import { createTurns } from '../../../../src/controller/status/turns.ts';

describe('createTurns', () => {
  it('gives a turn at once where nobody waits, and the next ones a fifth of a second apart', () => {
    const turns = createTurns();
    expect(['a', 'b', 'c'].map((key) => turns.until(key, 1_000, 0))).to.deep.equal([0, 200, 400]);
  });

  it('keeps a turn until it is given back, and the order of those who asked', () => {
    const turns = createTurns();
    for (const key of ['a', 'b', 'c']) turns.until(key, 1_000, 0);
    expect(['b', 'c'].map((key) => turns.until(key, 1_100, 0))).to.deep.equal([100, 300]);
    turns.giveBack('a');
    expect(turns.until('a', 1_100, 0)).to.equal(500);
  });

  it('gives none before its least time, and holds nobody else up with that', () => {
    const turns = createTurns();
    expect(turns.until('a', 1_000, 10_000)).to.equal(10_000);
    expect(turns.until('b', 1_000, 0)).to.equal(200);
    expect(turns.until('c', 60_000, 0)).to.equal(0);
  });

  it('gives each of 500 that always have something to say one turn in a hundred seconds', () => {
    const turns = createTurns();
    const keys = Array.from({ length: 500 }, (_, index) => `k${index}`);
    let used = 0;
    for (let nowMs = 0; nowMs < 200_000; nowMs += 100) {
      for (const key of keys) {
        if (turns.until(key, nowMs, 0) > 0) continue;
        turns.giveBack(key);
        used += 1;
      }
    }
    expect(used).to.be.within(999, 1001);
  });
});
