import { expect } from 'chai';
import { createSettling } from '../../../../src/controller/unload/settling.ts';

describe('createSettling', () => {
  for (const [title, looks] of [
    ['at first nobody knows what came before', [[0, 'ab', 5000]]],
    [
      'settled once they stay the same',
      [
        [0, 'ab', 5000],
        [4999, 'ab', 1],
        [5000, 'ba', 0],
        [90_000, 'ab', 0],
      ],
    ],
    [
      'none is a state, too',
      [
        [0, '', 5000],
        [5000, '', 0],
      ],
    ],
    [
      'one goes',
      [
        [0, 'ab', 5000],
        [9000, 'a', 5000],
        [14_000, 'a', 0],
      ],
    ],
    [
      'one comes',
      [
        [0, 'a', 5000],
        [9000, 'ab', 5000],
        [14_000, 'ab', 0],
      ],
    ],
    [
      'another one in its place',
      [
        [0, 'ab', 5000],
        [9000, 'ac', 5000],
      ],
    ],
    [
      'each begins the time anew',
      [
        [0, 'abc', 5000],
        [6000, 'ab', 5000],
        [10_000, 'a', 5000],
        [14_000, 'a', 1000],
      ],
    ],
  ] as [string, [number, string, number][]][]) {
    it(title, () => {
      let now = 0;
      const settling = createSettling(() => now);
      for (const [at, uids, inMs] of looks) {
        now = at;
        expect(settling.look(uids.split('')), `${at} ms`).to.equal(inMs);
      }
    });
  }
});
