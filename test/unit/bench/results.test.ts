import { expect } from 'chai';
import { growthPlot } from '../../bench/plot.ts';
import { growthOver, mergeRows, rowOf, tableOf, type Figure, type Point } from '../../bench/results.ts';

const AT = new Date('2030-01-01T00:00:00Z');
const point = (size: number, seconds: number, writes: number, controllerMB: number): Point => ({
  of: 'nodes',
  size,
  seconds,
  writes,
  controllerMB,
});
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

  describe('growth', () => {
    it('is that of the figure that grew fastest, over linear growth', () => {
      const first = point(100, 1, 100, 50);
      expect(growthOver(first, first)).to.equal(1);
      expect(growthOver(first, point(1000, 5, 1000, 60))).to.equal(1);
      expect(growthOver(first, point(1000, 20, 500, 60))).to.equal(2);
    });

    it('is drawn with a line of linear growth through the first point', () => {
      const svg = growthPlot([point(100, 1, 100, 50), point(1000, 2, 1000, 60)]);
      const panels = svg.split('<g ').slice(1);
      expect(panels).to.have.length(6);
      // Time grew by less than the line, writes just as much: of those the lines are one.
      const lines = panels.slice(0, 2).map((panel) => [...panel.matchAll(/points="([^"]+)"/g)].map(([, at]) => at));
      expect(lines).to.deep.equal([
        ['56,184 276,40', '56,184 276,141'],
        ['56,184 276,40', '56,184 276,40'],
      ]);
      expect(panels[3]).not.to.contain('<circle');
    });
  });
});
