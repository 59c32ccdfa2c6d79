import type { AppArmorKernel } from '../kernel/apparmor.ts';
import { KernelWriteError } from '../kernel/write-error.ts';
import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import type { CompiledStore } from './compiled-store.ts';
import { correctionsOf, whatHappened } from './drift.ts';
import { kernelFailure, retryDelayMs } from './failure.ts';
import type { Failure } from './failure.ts';
import { viewKernel } from './kernel-view.ts';
import type { Deviation, KernelSnapshot } from './kernel-view.ts';
import { withIntents, withLoaded, withoutIntent } from './ledger.ts';
import type { Ledger, LedgerLoad, Loaded, LoadIntent } from './ledger.ts';
import type { AgentMetrics } from './metrics.ts';
import type { LoadStep, Plan, PolicyPlan, Step } from './plan.ts';

export interface ActParts {
  kernel: AppArmorKernel;
  store: CompiledStore;
  /** Resolves false if it could not be written: it counts in memory all the same. */
  writeLedger: (ledger: Ledger) => Promise<boolean>;
  clock: Clock;
  log: Logger;
  metrics: AgentMetrics;
  bootID: string;
}

export interface ActResult {
  ledger: Ledger;
  /** By load id: what failed, and from when it is worth trying again. */
  failures: ReadonlyMap<string, Failure>;
  /** Loads that are verified now: their earlier failures are over. */
  succeeded: readonly LedgerLoad[];
  /** Loads whose compiled policy is not in the store (any more): compile again. */
  missing: readonly LedgerLoad[];
  /** The kernel as it was verified by; absent: nothing was done. */
  snapshot?: KernelSnapshot;
}

type Recording = Extract<Step, { kind: 'record' }> | LoadStep;

/**
 * Carries out all loads of a plan: intent on disk, ONE write per policy, then the kernel is asked, then the ledger is
 * completed. A crash in between leaves a ledger from which the next plan comes to the same end. Removes nothing.
 */
export async function carryOut(
  plan: Plan,
  before: { ledger: Ledger; attempts: ReadonlyMap<string, number>; remembered: Promise<unknown> },
  parts: ActParts,
): Promise<ActResult> {
  const steps = plan.policies.flatMap((policy) => recordings(policy));
  const failures = new Map<string, Failure>();
  const missing: LedgerLoad[] = [];
  if (steps.length === 0) return { ledger: before.ledger, failures, succeeded: [], missing };

  await before.remembered;
  const intents = steps.map(({ plan, step }) => intentOf(plan, step));
  let ledger = withIntents(before.ledger, intents, parts.bootID);
  // Adopted: the kernel holds it already, so there is nothing to announce.
  if (steps.some(({ step }) => step.kind === 'load')) await parts.writeLedger(ledger);

  const written: Recording[] = [];
  for (const { step } of steps) {
    const outcome = step.kind === 'record' ? 'written' : await writeToKernel(step.load, before.attempts, parts);
    if (outcome === 'written') {
      written.push(step);
      continue;
    }
    if (outcome === 'missing') missing.push(step.load);
    else failures.set(step.load.id, outcome);
    ledger = withoutIntent(ledger, step.load);
  }

  const snapshot = await takeSnapshot(parts.kernel);
  const { completed, different } = verify(written, ledger, snapshot, parts);
  ledger = completed;
  for (const [{ id }, shown] of different) {
    failures.set(id, verifyFailure(shown, before.attempts.get(id) ?? 0, parts));
  }
  for (const step of written) if (step.kind === 'load') count(step, failures.get(step.load.id), parts);
  // A ledger that names a compiled policy is of use to the next boot with that policy alone.
  await parts.store.written();
  await parts.writeLedger(ledger);
  const succeeded = written.map(({ load }) => load).filter((load) => !different.has(load));
  return { ledger, failures, succeeded, missing, snapshot };
}

/** The kernel's list, with `revision` read first: if it has not moved since, the list still holds. */
export async function takeSnapshot(kernel: AppArmorKernel): Promise<KernelSnapshot> {
  const revision = await kernel.revision();
  return { revision, profiles: await kernel.profiles() };
}

interface PlannedRecording {
  plan: PolicyPlan;
  step: Recording;
}

function recordings(plan: PolicyPlan): readonly PlannedRecording[] {
  const { step, fallback } = plan;
  if (step.kind === 'record' || step.kind === 'load') return [{ plan, step }];
  return fallback?.kind === 'load' ? [{ plan, step: fallback }] : [];
}

function intentOf({ policy }: PolicyPlan, { load, origins }: Recording): LoadIntent {
  const { name, creationTimestamp } = policy.object;
  return { load, origins, object: { name, creationTimestamp } };
}

async function writeToKernel(
  load: LedgerLoad,
  attempts: ReadonlyMap<string, number>,
  { kernel, store, clock, log, metrics }: ActParts,
): Promise<'written' | 'missing' | Failure> {
  const binary = await store.read(load.fingerprint, load.sha256);
  if (binary === undefined) return 'missing';
  try {
    await kernel.load(binary);
    return 'written';
  } catch (error) {
    if (!(error instanceof KernelWriteError)) throw error;
    const failure = kernelFailure(error, attempts.get(load.id) ?? 0, clock.now());
    metrics.loads.inc({ result: failure.reason });
    log.error('the kernel refused a policy', { ...about(load), reason: failure.reason, error });
    return failure;
  }
}

interface Verified {
  /** The ledger after those that the kernel holds. */
  completed: Ledger;
  /** What the kernel shows of the others. */
  different: ReadonlyMap<LedgerLoad, string>;
}

function verify(written: readonly Recording[], ledger: Ledger, snapshot: KernelSnapshot, parts: ActParts): Verified {
  const time = parts.clock.date().toISOString();
  const all = written.map(({ load, ...step }): Loaded => {
    return { load, corrections: correctionsOf(step.kind === 'load' ? step.drift : [], time) };
  });
  const completed = withLoaded(ledger, all, parts.bootID);
  const view = viewKernel(snapshot.profiles, completed, parts.bootID);
  const different = new Map<LedgerLoad, string>();
  for (const { load } of all) {
    const [deviation] = view.deviations(load);
    if (deviation !== undefined) different.set(load, describe(deviation));
  }
  if (different.size === 0) return { completed, different };
  const held = all.filter(({ load }) => !different.has(load));
  return { completed: withLoaded(ledger, held, parts.bootID), different };
}

function describe({ profile, kind, mode }: Deviation): string {
  return `${profile} is ${kind}${mode === undefined ? '' : ` (${mode})`}`;
}

function verifyFailure(shown: string, attempts: number, { clock }: ActParts): Failure {
  return {
    reason: 'VerifyFailed',
    message: `the kernel took the policy, but afterwards ${shown}: look for something else on the node that loads profiles`,
    retryAt: clock.now() + retryDelayMs(attempts),
  };
}

function count({ load, drift }: LoadStep, failure: Failure | undefined, { log, metrics }: ActParts): void {
  metrics.loads.inc({ result: failure?.reason ?? 'ok' });
  if (failure !== undefined) {
    log.error('a policy could not be verified after loading', { ...about(load), problem: failure.message });
    return;
  }
  if (drift.length === 0) {
    log.info('loaded a policy', about(load));
    return;
  }
  for (const one of drift) metrics.driftCorrected.inc({ what: whatHappened(one) });
  log.warn('put a policy right that was changed behind our back, or took it over', { ...about(load), drift });
}

function about(load: LedgerLoad): Record<string, unknown> {
  return { text: load.text, revision: load.revision, profiles: load.profiles.map(({ name }) => name).slice(0, 10) };
}
