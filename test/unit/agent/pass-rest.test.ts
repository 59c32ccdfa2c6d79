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
      title: 'rests twice as long as the next pass took, and longer after each further one',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [30, 40],
        [60, 100],
      ],
      rests: [0, 0, 0, 20, 120],
    },
    {
      title: 'rests for five seconds at most',
      passes: [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 9_003],
      ],
      rests: [0, 0, 0, 5_000],
    },
    {
      title: 'rests twenty times as long as a pass took in the end',
      passes: Array.from({ length: 30 }, (_, index) => [index * 100, index * 100 + 10]),
      rests: [0, 0, 0, ...Array.from({ length: 27 }, (_, index) => Math.min(20 + index * 10, 200))],
    },
    {
      title: 'does not take its own rest for a quiet time',
      passes: [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 9_003],
        [14_003, 14_013],
        [14_043, 14_053],
      ],
      rests: [0, 0, 0, 5_000, 30, 40],
    },
    {
      title: 'begins anew after five seconds without a pass, counted from the end of the last rest',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [5_029, 5_039],
        [10_059, 10_069],
      ],
      rests: [0, 0, 0, 20, 0],
    },
  ];
  for (const { title, passes, rests } of cases) {
    it(title, () => {
      const rest = createPassRest();
      expect(passes.map(([began, ended]) => rest(began, ended))).to.deep.equal(rests);
    });
  }
});
