import { expect } from 'chai';
import { mergePatchBetween } from '../../../src/agent/merge-patch.ts';

describe('agent/merge-patch', () => {
  const cases: [string, Record<string, unknown>, Record<string, unknown>, Record<string, unknown> | undefined][] = [
    ['nothing for equals', { a: 1, b: { c: [1, { d: 2 }] } }, { b: { c: [1, { d: 2 }] }, a: 1 }, undefined],
    ['what is new', {}, { a: { b: 1 } }, { a: { b: 1 } }],
    ['what changed, and no more', { a: 1, b: { c: 1, d: 2 } }, { a: 1, b: { c: 1, d: 3 } }, { b: { d: 3 } }],
    ['null for what is gone', { a: 1, b: { c: 1, d: 2 } }, { b: { d: 2 } }, { b: { c: null }, a: null }],
    ['arrays as a whole', { a: [1, 2] }, { a: [1] }, { a: [1] }],
    ['arrays with another element', { a: [{ b: 1 }] }, { a: [{ b: 2 }] }, { a: [{ b: 2 }] }],
    ['an object for a value', { a: 1 }, { a: { b: 1 } }, { a: { b: 1 } }],
    ['empty objects', { a: { b: 1 } }, { a: {} }, { a: { b: null } }],
  ];
  for (const [title, before, after, patch] of cases) {
    it(`has ${title}`, () => expect(mergePatchBetween(before, after)).to.deep.equal(patch));
  }

  it('takes no name for an inherited one', () => {
    const after = Object.fromEntries([
      ['__proto__', 'r1'],
      ['constructor', 'r2'],
    ]);
    expect(JSON.stringify(mergePatchBetween({}, after))).to.equal('{"__proto__":"r1","constructor":"r2"}');
    expect(mergePatchBetween(after, structuredClone(after))).to.equal(undefined);
  });
});
