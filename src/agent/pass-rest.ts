/**
 * How long the loop rests after a pass, in milliseconds, from when the pass began and ended. A pass looks at every policy: whatever
 * comes meanwhile, the loop rests twice as long as it took, so that many changes at once cost few passes and leave the node its
 * processor. One change after a quiet time need not wait for that: its revision, its text and its compiled policy come one after the
 * other, and each wants a pass.
 */
export function createPassRest(): (began: number, ended: number) => number {
  let inARow = 0;
  let lastEnded = -Infinity;
  return (began, ended) => {
    if (began - lastEnded >= QUIET_MS) inARow = 0;
    lastEnded = ended;
    inARow += 1;
    return inARow <= OF_ONE_CHANGE ? 0 : Math.min((ended - began) * REST_FACTOR, LONGEST_REST_MS);
  };
}

const QUIET_MS = 5_000;
const OF_ONE_CHANGE = 3;
const REST_FACTOR = 2;
const LONGEST_REST_MS = 5_000;
