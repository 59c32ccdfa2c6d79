/**
 * How long the loop rests after a pass, in milliseconds, from when the pass began and ended. A pass looks at every policy: whatever
 * comes meanwhile, the loop rests twice as long as it took, then three times, and in the end twenty times, so that many changes at once cost
 * few passes and leave the node its processor. With twice as long alone, 500 policies at once took twice as long each as ten did. One change
 * after a quiet time need not wait for that: its revision, its text and its compiled policy come one after the other, and each wants a pass.
 */
export function createPassRest(): (began: number, ended: number) => number {
  let inARow = 0;
  let lastRested = -Infinity;
  return (began, ended) => {
    if (began - lastRested >= QUIET_MS) inARow = 0;
    inARow += 1;
    const factor = inARow <= OF_ONE_CHANGE ? 0 : Math.min(inARow - OF_ONE_CHANGE + 1, MOST_TIMES);
    const rest = Math.min((ended - began) * factor, LONGEST_REST_MS);
    lastRested = ended + rest;
    return rest;
  };
}

const QUIET_MS = 5_000;
const OF_ONE_CHANGE = 3;
const MOST_TIMES = 20;
const LONGEST_REST_MS = 5_000;
