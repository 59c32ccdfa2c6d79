import { expect } from 'chai';
import { mergeRows, rowOf, tableOf, type Figure } from '../../bench/results.ts';

const AT = new Date('2030-01-01T00:00:00Z');
const figure = (id: string, value: number, goal: number): Figure => ({ id, value, unit: 's', goal, detail: 'why' });

describe('bench/results', () => {
  for (const [value, met] of [
    [9.99, true],
    [10, true],
    [10.01, false],
    [Number.NaN, false],
    [Infinity, false],
  ] as const) {
    it(`${value} of at most 10 is ${met ? 'met' : 'missed'}`, () => {
      expect(rowOf(figure('a', value, 10), AT, 'x').met).to.equal(met);
    });
  }

  it('keeps four digits, and judges what it prints', () => {
    const row = rowOf(figure('a', 10.000001, 10), AT, 'x');
    expect([row.value, row.met]).to.deep.equal([10, true]);
  });

  it('replaces rows of the same id, in the order of the catalogue, without what is not in it', () => {
    const old = [figure('b', 1, 1), figure('gone', 1, 1), figure('a', 1, 1)].map((each) => rowOf(each, AT, 'old'));
    const rows = mergeRows(old, [rowOf(figure('b', 2, 1), AT, 'new')], ['a', 'b', 'c']);
    expect(rows.map(({ id, value, sources }) => [id, value, sources])).to.deep.equal([
      ['a', 1, 'old'],
      ['b', 2, 'new'],
    ]);
  });

  it('prints one line for each row', () => {
    const table = tableOf([rowOf(figure('long-name', 1.5, 10), AT, 'x'), rowOf(figure('b', 11, 10), AT, 'x')]);
    expect(table.split('\n')).to.deep.equal([
      'row        value  goal  unit',
      'long-name  1.5    ≤ 10  s     met',
      'b          11     ≤ 10  s     MISSED',
    ]);
  });
});
