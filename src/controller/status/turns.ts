/** Turns to write what may wait, in the order in which they were asked for: however many objects wait, so many writes there are in a second. */
export interface Turns {
  /** Milliseconds until it is this key's turn, which is not before `leastMs` from now; 0: now. The same turn until it is given back. */
  until(key: string, nowMs: number, leastMs: number): number;
  /** Its turn was used, or is no longer needed. */
  giveBack(key: string): void;
}

/**
 * Five writes a second. With one a second for each object, 500 policies that were applied at once took 13 writes each where ten took 4, as
 * more of them take longer: the writes grew faster than the policies.
 */
const TURN_MS = 200;

export function createTurns(): Turns {
  const turns = new Map<string, number>();
  let nextFreeMs = -Infinity;
  return {
    until(key, nowMs, leastMs) {
      const turn = turns.get(key) ?? Math.max(nowMs + leastMs, nextFreeMs);
      if (!turns.has(key)) nextFreeMs = Math.max(nowMs, nextFreeMs) + TURN_MS;
      turns.set(key, turn);
      return Math.max(0, turn - nowMs);
    },
    giveBack(key) {
      turns.delete(key);
    },
  };
}
