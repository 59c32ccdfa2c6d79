import { ProcessTableError } from '../kernel/processes.ts';
import type { ProcessTable, ProfileUsers, Task } from '../kernel/processes.ts';
import { isUsed } from './removals.ts';
import type { ProfileUse } from './removals.ts';

/** What runs under the profiles that nobody wants: looked at only as often as it takes to tell the truth. */
export interface ProfileUseWatch {
  uses(): ReadonlyMap<string, ProfileUse>;
  /** Whether it is time to look again: nobody has looked, a minute has passed, or who was seen there is gone. Cheap. */
  isDue(): boolean;
  /** From now on these, and no others. */
  watch(profiles: readonly string[]): void;
  /** Looks at all of them now. Returns whether anything is to be said or done differently. */
  look(): Promise<boolean>;
  /** Looks at these now and returns those of them that nothing at all runs under. */
  freeOf(profiles: ReadonlySet<string>): Promise<ReadonlySet<string>>;
}

/** The number of processes in the status changes at most so often, except from and to 0. */
const RECOUNT_MS = 60_000;
/** What could not be seen once may be seen next time, such as a node with very many short-lived processes. */
const UNSEEN_MS = 10_000;

interface Seen {
  use: ProfileUse;
  example?: Task;
  lookedAt: number;
  countedAt: number;
}

export function createProfileUseWatch(processes: ProcessTable, now: () => number): ProfileUseWatch {
  const watched = new Map<string, Seen | undefined>();

  const note = (profile: string, next: Omit<Seen, 'lookedAt' | 'countedAt'>): boolean => {
    const before = watched.get(profile);
    const at = now();
    const isKept =
      before !== undefined &&
      (isSame(before.use, next.use) || (isUsed(before.use) && isUsed(next.use) && at - before.countedAt < RECOUNT_MS));
    watched.set(profile, {
      ...next,
      use: isKept ? before.use : next.use,
      lookedAt: at,
      countedAt: isKept ? before.countedAt : at,
    });
    return !isKept;
  };

  const lookAt = async (profiles: ReadonlySet<string>): Promise<{ changed: boolean; free: ReadonlySet<string> }> => {
    const seen = await see(processes, profiles);
    let changed = false;
    const free = new Set<string>();
    for (const [profile, next] of seen) {
      if (!isUsed(next.use)) free.add(profile);
      if (watched.has(profile)) changed = note(profile, next) || changed;
    }
    return { changed, free };
  };

  return {
    uses: () => new Map([...watched].flatMap(([profile, seen]) => (seen === undefined ? [] : [[profile, seen.use]]))),
    isDue: () =>
      [...watched].some(([profile, seen]) => {
        const pause = seen?.use.kind === 'unseen' ? UNSEEN_MS : RECOUNT_MS;
        if (seen === undefined || now() - seen.lookedAt >= pause) return true;
        return seen.example !== undefined && !processes.isUser(seen.example, profile);
      }),
    watch(profiles) {
      const wanted = new Set(profiles);
      for (const profile of watched.keys()) if (!wanted.has(profile)) watched.delete(profile);
      for (const profile of wanted) if (!watched.has(profile)) watched.set(profile, undefined);
    },
    look: async () => (watched.size === 0 ? false : (await lookAt(new Set(watched.keys()))).changed),
    freeOf: async (profiles) => (await lookAt(profiles)).free,
  };
}

async function see(
  processes: ProcessTable,
  profiles: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Omit<Seen, 'lookedAt' | 'countedAt'>>> {
  try {
    const users = await processes.usersOf(profiles);
    return new Map([...users].map(([profile, found]) => [profile, seenOf(found)]));
  } catch (error) {
    if (!(error instanceof ProcessTableError)) throw error;
    const use: ProfileUse = { kind: 'unseen', message: error.message };
    return new Map([...profiles].map((profile) => [profile, { use }]));
  }
}

function seenOf({ processes, unreadable, example }: ProfileUsers): Omit<Seen, 'lookedAt' | 'countedAt'> {
  return { use: { kind: 'counted', processes, unreadable }, ...(example === undefined ? {} : { example }) };
}

function isSame(left: ProfileUse, right: ProfileUse): boolean {
  if (left.kind === 'unseen' || right.kind === 'unseen') return left.kind === right.kind;
  return left.processes === right.processes && left.unreadable === right.unreadable;
}
