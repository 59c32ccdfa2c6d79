import type { ProcessTable } from '../kernel/processes.ts';
import type { ActParts } from './act.ts';
import type { Failure } from './failure.ts';
import type { Ledger } from './ledger.ts';
import type { Plan } from './plan.ts';
import { createProfileUseWatch } from './profile-use.ts';
import type { UnloadGrant, UnloadKnowledge } from './removals.ts';
import { carryOutRemovals } from './unload.ts';

/** Removes what nobody wants, and remembers what that takes: since when, what runs there, what failed. */
export interface Unloader {
  knowledge(permission: UnloadPermission): UnloadKnowledge;
  /** Takes note of what a plan retains, and looks at the processes if it is time. Returns whether to decide again. */
  observe(plan: Plan): Promise<boolean>;
  /** The ledger is written by the parts. */
  carryOut(plan: Plan, ledger: Ledger): Promise<void>;
  /** Whether the processes have to be looked at again. Cheap. */
  isDue(): boolean;
  /** Clock milliseconds at which a plan may come to another end by itself. */
  retryTimes(plan: Plan): readonly number[];
}

/** Whether anything may be removed at all, and what. */
export interface UnloadPermission {
  allowed: boolean;
  grants: readonly UnloadGrant[];
}

/** Between two passes that remove much, so that loads and the report get their turn. */
const REST_MS = 1_000;

export function createUnloader(parts: Omit<ActParts, 'store'> & { processes: ProcessTable }): Unloader {
  const { clock, processes } = parts;
  const since = new Map<string, number>();
  const failures = new Map<string, Failure>();
  const attempts = new Map<string, number>();
  const use = createProfileUseWatch(processes, () => clock.now());

  return {
    knowledge: ({ allowed, grants }) => ({
      allowed,
      grants,
      date: clock.date().getTime(),
      since,
      uses: use.uses(),
      failures,
    }),
    async observe({ retained }) {
      const profiles = retained.filter(({ why }) => why === 'unwanted').map(({ profile }) => profile);
      const unwanted = new Set(profiles);
      for (const known of [since, failures, attempts]) {
        for (const profile of known.keys()) if (!unwanted.has(profile)) known.delete(profile);
      }
      for (const profile of unwanted) if (!since.has(profile)) since.set(profile, clock.now());
      use.watch(profiles);
      return use.isDue() && (await use.look());
    },
    async carryOut({ removals }, ledger) {
      const failed = await carryOutRemovals(
        removals,
        { ledger, attempts },
        { ...parts, freeOf: (profiles) => use.freeOf(profiles) },
      );
      for (const [profile, failure] of failed) {
        failures.set(profile, failure);
        attempts.set(profile, (attempts.get(profile) ?? 0) + 1);
      }
    },
    isDue: () => use.isDue(),
    retryTimes: ({ removals, waiting }) => [
      ...(removals.length === 0 ? [] : [clock.now() + REST_MS]),
      ...waiting.flatMap(({ why }) => {
        if (why.kind === 'young') return [why.until];
        return why.kind === 'failed' && why.failure.retryAt !== undefined ? [why.failure.retryAt] : [];
      }),
    ],
  };
}
