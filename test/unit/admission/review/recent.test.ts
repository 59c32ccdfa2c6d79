import { expect } from 'chai';
import { createRecent } from '../../../../src/admission/review/recent.ts';

describe('createRecent', () => {
  it('keeps the latest used', () => {
    const recent = createRecent<number>(2);
    recent.set('a', 1);
    recent.set('b', 2);
    expect(recent.get('a')).to.equal(1);
    recent.set('c', 3);
    expect([recent.get('a'), recent.get('b'), recent.get('c')]).to.deep.equal([1, undefined, 3]);
  });

  it('a new value of a key takes the place of the old', () => {
    const recent = createRecent<number>(2);
    recent.set('a', 1);
    recent.set('b', 2);
    recent.set('a', 3);
    expect([recent.get('a'), recent.get('b')]).to.deep.equal([3, 2]);
  });
});
