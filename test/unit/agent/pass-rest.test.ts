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
      title: 'begins anew after five seconds without a pass, counted from the end of the last',
      passes: [
        [0, 10],
        [10, 20],
        [20, 30],
        [5_029, 5_039],
        [10_039, 10_049],
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
