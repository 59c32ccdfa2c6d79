/** Whether AppArmorProfiles come or go just now. */
export interface Settling {
  /** Takes the uids of all that exist, at each look; returns for how many milliseconds they have yet to stay the same, 0 if they did. */
  look(uids: Iterable<string>): number;
}

/** kubectl and what syncs a Git folder delete and create one object after the other; each begins the time anew. */
const SETTLED_AFTER_MS = 5000;

/** At the first look, nobody knows what came or went before it. */
export function createSettling(now: () => number): Settling {
  let known: ReadonlySet<string> | undefined;
  let changedAt = 0;
  return {
    look(uids) {
      const seen = new Set(uids);
      const before = known;
      if (before?.size !== seen.size || [...seen].some((uid) => !before.has(uid))) changedAt = now();
      known = seen;
      return Math.max(0, changedAt + SETTLED_AFTER_MS - now());
    },
  };
}
