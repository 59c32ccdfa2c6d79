import { expect } from 'chai';
import { compareAge, type Aged } from '../../../src/api/age.ts';

const at = (uid: string, creationTimestamp = '2026-01-01T00:00:00Z'): Aged => ({ uid, creationTimestamp });

describe('compareAge', () => {
  it('puts the older first, whatever the uids', () => {
    expect(compareAge(at('b'), at('a', '2026-01-01T00:00:01Z'))).to.be.below(0);
    expect(compareAge(at('a', '2026-01-01T00:00:01Z'), at('b'))).to.be.above(0);
  });

  it('reads times, not texts', () => {
    expect(compareAge(at('a', '2026-01-01T01:00:00+01:00'), at('a'))).to.equal(0);
  });

  it('puts the smaller uid first where the age is the same', () => {
    expect(compareAge(at('a'), at('b'))).to.be.below(0);
    expect(compareAge(at('b'), at('a'))).to.be.above(0);
    expect(compareAge(at('a'), at('a'))).to.equal(0);
  });
});
