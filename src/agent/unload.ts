import { KernelWriteError } from '../kernel/write-error.ts';
import { takeSnapshot } from './act.ts';
import type { ActParts } from './act.ts';
import { kernelFailure, retryDelayMs } from './failure.ts';
import type { Failure } from './failure.ts';
import { withoutRows, withUnloading } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import type { Removal } from './removals.ts';

export interface UnloadParts extends Omit<ActParts, 'store'> {
  /** Looks into the node's processes now, and says which of these profiles nothing at all runs under. */
  freeOf: (profiles: ReadonlySet<string>) => Promise<ReadonlySet<string>>;
}

/** What is left is for the next pass. */
const MOST_AT_ONCE = 32;

/**
 * So long what the look has seen may be acted upon; it takes that long itself on a node with many processes. One look for all:
 * a look for each took 7 s a profile on a slow node, for nothing that a later look would have seen and this one not.
 */
const LOOK_COUNTS_MS = 1_000;

/**
 * Removes profiles from the kernel: the intent on disk, then a look at all processes of the node and directly after it the
 * removals, then the kernel is asked, then the ledger forgets them. A crash in between leaves a ledger from which the next
 * plan goes on. What is in use by now stays; so does everything if the intent cannot be written. Returns, by name, why one
 * could not be removed, and from when it is worth trying again.
 */
export async function carryOutRemovals(
  removals: readonly Removal[],
  before: { ledger: Ledger; attempts: ReadonlyMap<string, number> },
  parts: UnloadParts,
): Promise<ReadonlyMap<string, Failure>> {
  const chosen = removals.slice(0, MOST_AT_ONCE);
  const failures = new Map<string, Failure>();
  let ledger = before.ledger;
  for (const { profile } of chosen) ledger = withUnloading(ledger, profile, parts.bootID);
  if (!(await parts.writeLedger(ledger))) return failures;

  const free = await parts.freeOf(new Set(chosen.flatMap(({ together }) => together)));
  const lookedAt = parts.clock.now();
  const written: Removal[] = [];
  for (const removal of chosen) {
    if (!removal.together.every((name) => free.has(name))) {
      parts.metrics.unloads.inc({ result: 'InUse' });
      continue;
    }
    if (parts.clock.now() - lookedAt > LOOK_COUNTS_MS) break;
    const failure = await removeFromKernel(removal, before.attempts.get(removal.profile) ?? 0, parts);
    if (failure === undefined) written.push(removal);
    else failures.set(removal.profile, failure);
  }
  if (written.length === 0) return failures;

  const { profiles } = await takeSnapshot(parts.kernel);
  const held = new Set(profiles.map(({ name }) => name));
  for (const removal of written.filter(({ profile }) => held.has(profile))) {
    failures.set(removal.profile, stillThere(before.attempts.get(removal.profile) ?? 0, parts));
  }
  const gone = written.filter(({ profile }) => !held.has(profile));
  ledger = withoutRows(
    ledger,
    gone.map(({ profile }) => profile),
  );
  await parts.writeLedger(ledger);
  for (const { profile, revision } of gone) {
    parts.metrics.unloads.inc({ result: 'ok' });
    parts.log.info('removed a profile that nobody wants and nothing ran under', { profile, revision });
  }
  return failures;
}

async function removeFromKernel(
  { profile, revision }: Removal,
  attempts: number,
  { kernel, clock, log, metrics }: UnloadParts,
): Promise<Failure | undefined> {
  try {
    await kernel.remove(profile);
    return undefined;
  } catch (error) {
    if (!(error instanceof KernelWriteError)) throw error;
    // Somebody else was quicker.
    if (error.code === 'ENOENT') return undefined;
    const failure = kernelFailure(error, attempts, clock.now());
    metrics.unloads.inc({ result: failure.reason });
    log.error('the kernel refused to remove a profile', { profile, revision, reason: failure.reason, error });
    return failure;
  }
}

function stillThere(attempts: number, { clock, metrics }: UnloadParts): Failure {
  metrics.unloads.inc({ result: 'VerifyFailed' });
  return {
    reason: 'VerifyFailed',
    message: 'the kernel took the removal and afterwards still showed it: look for something else that loads it',
    retryAt: clock.now() + retryDelayMs(attempts),
  };
}
