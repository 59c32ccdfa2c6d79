import { expect } from 'chai';
import { changesBetween, describeChanges } from '../../../../src/controller/keeping/changes.ts';
import { lastEditor } from '../../../../src/controller/keeping/last-editor.ts';
import { createPatience } from '../../../../src/controller/keeping/patience.ts';

describe('lastEditor', () => {
  for (const [title, fields, expected] of [
    ['nobody noted', undefined, undefined],
    ['only us', [{ manager: 'we', time: '2' }], undefined],
    [
      'the latest of others',
      [
        { manager: 'a', time: '1' },
        { manager: 'b', time: '3' },
        { manager: 'we', time: '9' },
      ],
      'b',
    ],
    ['not who wrote the status', [{ manager: 'kcm', time: '5', subresource: 'status' }, { manager: 'a' }], 'a'],
  ] as const) {
    it(title, () => expect(lastEditor(fields, 'we')).to.equal(expected));
  }
});

describe('changesBetween', () => {
  for (const [title, before, now, expected] of [
    ['nothing', { a: [1, { b: null }] }, { a: [1, { b: null }] }, []],
    ['a value', { a: { b: 1 } }, { a: { b: 2 } }, ['a.b']],
    ['added and removed members', { a: 1 }, { b: 1 }, ['a', 'b']],
    [
      'a named element added before others',
      { c: [{ name: 'x' }, { name: 'y', v: 1 }] },
      { c: [{ name: 'y', v: 1 }] },
      ['c[x]'],
    ],
    ['inside a named element', { c: [{ name: 'y', v: 1 }] }, { c: [{ name: 'y', v: 2 }] }, ['c[y].v']],
    ['elements by number where names repeat', { c: [{ key: 'k' }, { key: 'k' }] }, { c: [{ key: 'k' }] }, ['c[1]']],
    ['plain elements', { c: ['a', 'b'] }, { c: ['a'] }, ['c[1]']],
    ['another type', { c: [] }, { c: {} }, ['c']],
  ] as const) {
    it(title, () => expect(changesBetween(before, now, '').map(({ path }) => path)).to.deep.equal(expected));
  }

  it('is told in words, bounded', () => {
    const changes = changesBetween(
      { image: 'evil', added: 1, long: 'x'.repeat(200) },
      { image: 'good', removed: 2, long: 'short' },
      'spec',
    );
    const text = describeChanges(changes, 3);
    expect(text).to.match(
      /^spec\.added \(had been added\), spec\.image \(had been set to "evil", is "good" again\), spec\.long \(had been set to "x{70,80}…, is "short" again\), and 1 more$/,
    );
    expect(describeChanges(changes.slice(-1))).to.equal('spec.removed (had been removed)');
  });
});

describe('createPatience', () => {
  it('is out at once, then waits twice as long each time, and forgets', () => {
    const patience = createPatience();
    expect(patience.waitMs(0)).to.equal(0);
    patience.corrected(0);
    expect(patience.waitMs(0)).to.equal(250);
    expect(patience.waitMs(100)).to.equal(150);
    expect(patience.waitMs(300)).to.equal(0);
    patience.corrected(300);
    expect(patience.waitMs(300)).to.equal(500);
    for (let times = 0; times < 40; times++) patience.corrected(300);
    expect(patience.waitMs(300)).to.equal(300_000);
    expect(patience.waitMs(300 + 601_000)).to.equal(0);
    patience.corrected(300 + 601_000);
    expect(patience.waitMs(300 + 601_000)).to.equal(250);
  });
});
