import { expect } from 'chai';
import { createPassRest } from '../../../src/agent/pass-rest.ts';

describe('agent/pass-rest', () => {
  const cases: { title: string; passes: [began: number, ended: number][]; rests: number[] }[] = [
    {
      title: 'lets the passes of one change follow each other',
      passes: [
        [0, 10],
        [10, 30],
        [400, 440],
      ],
      rests: [0, 0, 0],
    },
    {
      title: 'rests twice as long as each further pass took',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [30, 40],
        [60, 100],
      ],
      rests: [0, 0, 0, 20, 80],
    },
    {
      title: 'rests for a sixteenth of the time since the first pass where that is longer',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [4_700, 4_800],
        [5_100, 5_200],
        [9_500, 9_600],
      ],
      rests: [0, 0, 0, 300, 325, 600],
    },
    {
      title: 'rests twenty times as long as a pass took at most',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [4_700, 4_710],
        [4_920, 4_930],
      ],
      rests: [0, 0, 0, 200, 200],
    },
    {
      title: 'rests for five seconds at most, and does not take that for a quiet time',
      passes: [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 9_003],
        [14_003, 14_013],
      ],
      rests: [0, 0, 0, 5_000, 200],
    },
    {
      title: 'begins anew after five seconds without a pass, counted from the end of the last rest',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [5_029, 5_039],
        [10_239, 10_249],
      ],
      rests: [0, 0, 0, 200, 0],
    },
  ];
  for (const { title, passes, rests } of cases) {
    it(title, () => {
      const rest = createPassRest();
      expect(passes.map(([began, ended]) => rest(began, ended))).to.deep.equal(rests);
    });
  }
});
