/**
 * How long the loop rests after a pass, in milliseconds, from when the pass began and ended. A pass looks at every policy: whatever
 * comes meanwhile, the loop rests twice as long as it took at least, so that many changes at once leave the node its processor; and the longer
 * they last, the longer it rests, so that they cost few passes. With twice as long alone, 500 policies at once took twice as long each as ten
 * did; with a factor that grows by each pass, ten on an emulated node took 54 s instead of 35. One change after a quiet time need not wait for
 * that: its revision, its text and its compiled policy come one after the other, and each wants a pass.
 */
export function createPassRest(): (began: number, ended: number) => number {
  let inARow = 0;
  let firstBegan = 0;
  let lastRested = -Infinity;
  return (began, ended) => {
    if (began - lastRested >= QUIET_MS) {
      inARow = 0;
      firstBegan = began;
    }
    inARow += 1;
    const rest = inARow <= OF_ONE_CHANGE ? 0 : restMs(ended - began, ended - firstBegan);
    lastRested = ended + rest;
    return rest;
  };
}

const QUIET_MS = 5_000;
const OF_ONE_CHANGE = 3;
/** What a pass took, times. The longest is for passes that take a node next to nothing. */
const TIMES = { least: 2, most: 20 } as const;
const PART_OF_BURST = 1 / 16;
const LONGEST_MS = 5_000;

function restMs(passMs: number, burstMs: number): number {
  const wanted = Math.max(passMs * TIMES.least, burstMs * PART_OF_BURST);
  return Math.min(wanted, passMs * TIMES.most, LONGEST_MS);
}
