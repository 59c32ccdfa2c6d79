import { expect } from 'chai';
import { EVENT_REASON, PERMANENT_NODE_REASONS, READY_REASON, UNREACHABLE_REASON } from '../../../src/api/reasons.ts';

describe('reasons', () => {
  it('are words that a condition and an Event accept', () => {
    const all = [READY_REASON, EVENT_REASON, UNREACHABLE_REASON].flatMap((set) => Object.values(set));
    for (const reason of [...all, ...PERMANENT_NODE_REASONS]) expect(reason).to.match(/^[A-Z][A-Za-z]{1,127}$/);
  });

  it('mean one thing each within a set', () => {
    for (const set of [READY_REASON, EVENT_REASON, UNREACHABLE_REASON]) {
      expect(new Set(Object.values(set))).to.have.property('size', Object.values(set).length);
    }
  });
});
