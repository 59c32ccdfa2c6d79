import { expect } from 'chai';
import { REASON_SETS } from './all-reasons.ts';

describe('reasons', () => {
  it('are words that a condition and an Event accept', () => {
    for (const reason of REASON_SETS.flat()) expect(reason).to.match(/^[A-Z][A-Za-z]{1,127}$/);
  });

  it('mean one thing each within a set', () => {
    for (const set of REASON_SETS) expect(new Set(set)).to.have.property('size', set.length);
  });
});
