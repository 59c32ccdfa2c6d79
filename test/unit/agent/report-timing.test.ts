import { expect } from 'chai';
import { afterChange, afterWrite, type Change, NOTHING_TOLD, type Telling } from '../../../src/agent/report-timing.ts';

const ALL: Change = { more: false, firstProblem: false };
const MORE: Change = { more: true, firstProblem: false };
const PROBLEM: Change = { more: true, firstProblem: true };
const SECOND = 1_000;

describe('agent/report-timing', () => {
  const rows: [what: string, due: number | undefined, expected: number][] = [
    ['a change of its own', dueAt(NOTHING_TOLD, [7, ALL]), 7.2],
    ['what follows within that time is told with it', dueAt(NOTHING_TOLD, [7, ALL], [7.1, ALL]), 7.2],
    ['the first of several that the node knows of', dueAt(NOTHING_TOLD, [7, MORE]), 22],
    ['several, as soon as it knows of no more', dueAt(NOTHING_TOLD, [7, MORE], [8, MORE], [9, ALL]), 7.2],
    ['one that follows a told one', dueAt(told([7]), [8, ALL]), 10],
    ['one that follows, and more is to come', dueAt(told([7]), [8, MORE]), 23],
    ['one that comes when it has been quiet', dueAt(told([7]), [12, ALL]), 12.2],
    ['one that follows what is quiet put off', dueAt(told([7]), [8, ALL], [9.5, ALL]), 11.5],
    ['a burst of 40 s is waited for 5 s', dueAt(told(everyOther(42)), [40, ALL]), 45],
    ['a burst of 200 s is waited for 10 s', dueAt(told(everyOther(202)), [200, ALL]), 210],
    ['nothing of a burst is untold for more than 30 s', dueAt(NOTHING_TOLD, ...untoldFor(30)), 30],
    ['later in a burst, for more than a minute', dueAt(told([0, 2, 4]), ...untoldFor(80).slice(3)), 66],
    ['of a burst, too, is what comes late but was announced', dueAt(told([7], MORE), [20, ALL]), 22],
    ['the first problem', dueAt(told([7]), [8, MORE], [9, PROBLEM]), 9.2],
    ['what follows does not put the first problem off', dueAt(told([7]), [8, PROBLEM], [8.1, PROBLEM]), 8.2],
  ];
  for (const [what, due, expected] of rows) {
    it(`${what}: due at ${expected} s`, () => {
      expect(due).to.equal(expected);
    });
  }

  it('nothing is due when all is told', () => {
    expect(told([7]).untold).to.equal(undefined);
  });
});

function told(seconds: readonly number[], change = ALL): Telling {
  return seconds.reduce((telling, at) => afterWrite(afterChange(telling, at * SECOND, change)), NOTHING_TOLD);
}

function dueAt(before: Telling, ...changes: readonly [seconds: number, change: Change][]): number | undefined {
  const after = changes.reduce((telling, [at, change]) => afterChange(telling, at * SECOND, change), before);
  return after.untold && after.untold.dueAt / SECOND;
}

function everyOther(upTo: number): number[] {
  return Array.from({ length: upTo / 2 }, (_, index) => index * 2);
}

function untoldFor(seconds: number): [number, Change][] {
  return everyOther(seconds).map((at) => [at, MORE]);
}
