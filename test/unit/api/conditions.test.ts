import { expect } from 'chai';
import { findCondition, shorten, timestamp, transition } from '../../../src/api/conditions.ts';

const now = new Date('2030-01-02T03:04:05.678Z');
const wanted = { type: 'Ready', status: 'True', reason: 'Loaded', message: 'loaded' } as const;

describe('transition', () => {
  const stored = {
    type: 'Ready',
    status: 'True',
    reason: 'Other',
    message: 'other',
    observedGeneration: 1,
    lastTransitionTime: '2020-01-01T00:00:00Z',
  };

  it('keeps the time while the status stays, whatever else changes', () => {
    expect(transition([stored], [wanted], 7, now)).to.deep.equal([
      { ...wanted, observedGeneration: 7, lastTransitionTime: '2020-01-01T00:00:00Z' },
    ]);
  });

  it('moves the time when the status changes, and for a new type', () => {
    const [ready, stalled] = transition(
      [stored],
      [
        { ...wanted, status: 'False' },
        { ...wanted, type: 'Stalled' },
      ],
      7,
      now,
    );
    expect(ready?.lastTransitionTime).to.equal('2030-01-02T03:04:05Z');
    expect(stalled?.lastTransitionTime).to.equal('2030-01-02T03:04:05Z');
  });

  it('drops types that are not wanted any more and shortens messages', () => {
    const [only, ...others] = transition(
      [{ ...stored, type: 'Reconciling' }],
      [{ ...wanted, message: 'x'.repeat(5000) }],
      1,
      now,
    );
    expect(others).to.deep.equal([]);
    expect(only?.message).to.have.length(1024);
  });
});

describe('findCondition', () => {
  it('finds by type, also where there is nothing', () => {
    const condition = { type: 'Ready', status: 'True', lastTransitionTime: '' };
    expect(findCondition([condition], 'Ready')).to.equal(condition);
    expect(findCondition([condition], 'Stalled')).to.equal(undefined);
    expect(findCondition(undefined, 'Ready')).to.equal(undefined);
  });
});

describe('shorten', () => {
  for (const [text, longest, expected] of [
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    // A character outside the basic plane is two units; half of it is not text.
    ['abc😀def', 5, 'abc…'],
  ] as const) {
    it(`${text} to ${longest}`, () => expect(shorten(text, longest)).to.equal(expected));
  }
});

describe('timestamp', () => {
  it('has whole seconds, as the API server stores them', () => expect(timestamp(now)).to.equal('2030-01-02T03:04:05Z'));
});
