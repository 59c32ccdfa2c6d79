/**
 * When to write what changed. Changes that follow each other closely are a burst, as when a hundred policies are applied: the first is told at
 * once, what follows when the node has loaded all that it knows of and it has been quiet, or when the oldest has waited for long. Measured where
 * a hundred policies took 80 s: 45 writes of each node with one for every second, 7.5 with one for every rest of 2 s, 6 where a node that
 * knows of more to come waited for it for 5 s, and 2.3 as it is.
 */
export interface Telling {
  /** All times are clock milliseconds. */
  burstSince: number;
  lastChange: number;
  /** As of the last change. */
  more: boolean;
  /** Writes of this burst. */
  told: number;
  /** The oldest change that is not told, and when to tell it; absent: all is told. */
  untold?: { since: number; dueAt: number };
}

export interface Change {
  /** The node knows of policies that it is about to fetch or to compile. */
  more: boolean;
  /** Nobody should have to wait for the end of a burst to hear that something is wrong. */
  firstProblem: boolean;
}

export const NOTHING_TOLD: Telling = { burstSince: -Infinity, lastChange: -Infinity, more: false, told: 0 };

/** What changes together becomes one write. */
const TOGETHER_MS = 200;
const BURST_GAP_MS = 5_000;
/** Loads of a burst are a second apart on a slow node, and further where all is slow, which the burst's length tells. */
const QUIET_MS = { least: 2_000, longest: 10_000 };
const QUIET_PART_OF_BURST = 1 / 8;
/**
 * A compile takes up to 5 s of CPU before it goes behind all others, and a node that is short of processor time rests for 5 s between two looks
 * at what was compiled.
 */
const QUIET_WITH_MORE_MS = 15_000;
const UNTOLD_MS = { first: 30_000, longest: 60_000 };

export function afterChange(before: Telling, now: number, { more, firstProblem }: Change): Telling {
  const isFollowing = now - before.lastChange < (before.more ? QUIET_WITH_MORE_MS : BURST_GAP_MS);
  const burst = isFollowing ? before : { burstSince: now, told: 0 };
  const since = before.untold?.since ?? now;
  const dueAt = (): number => {
    if (firstProblem) return Math.min(before.untold?.dueAt ?? Infinity, now + TOGETHER_MS);
    if (burst.told === 0 && !more) return since + TOGETHER_MS;
    const longest = Math.min(UNTOLD_MS.first * 2 ** burst.told, UNTOLD_MS.longest);
    return Math.min(now + quietMs(now - burst.burstSince, more), since + longest);
  };
  return { burstSince: burst.burstSince, lastChange: now, more, told: burst.told, untold: { since, dueAt: dueAt() } };
}

export function afterWrite({ burstSince, lastChange, more, told }: Telling): Telling {
  return { burstSince, lastChange, more, told: told + 1 };
}

function quietMs(burstMs: number, more: boolean): number {
  const quiet = Math.min(Math.max(QUIET_MS.least, burstMs * QUIET_PART_OF_BURST), QUIET_MS.longest);
  return more ? Math.max(quiet, QUIET_WITH_MORE_MS) : quiet;
}
