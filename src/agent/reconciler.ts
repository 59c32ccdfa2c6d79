import type { AppArmorKernel, KernelProfile } from '../kernel/apparmor.ts';
import type { ProcessTable } from '../kernel/processes.ts';
import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import { CompiledPolicyError, readCompiledProfiles } from '../policy/compiled.ts';
import { carryOut, takeSnapshot } from './act.ts';
import type { CompileSlot } from './compile-slot.ts';
import type { CompiledStore } from './compiled-store.ts';
import { retryDelayMs } from './failure.ts';
import type { Failure } from './failure.ts';
import type { KernelSnapshot } from './kernel-view.ts';
import { EMPTY_LEDGER, loadId, withoutRows } from './ledger.ts';
import type { Ledger, LedgerLoad } from './ledger.ts';
import type { AgentMetrics } from './metrics.ts';
import type { LivingObject } from './ownership.ts';
import { planNode } from './plan.ts';
import type { CompiledPolicy, Plan } from './plan.ts';
import type { WantedPolicy } from './prepared-revision.ts';
import { createUnloader } from './unloader.ts';
import type { UnloadPermission } from './unloader.ts';

/** Gather → decide → act for one node. Passes are never run side by side. */
export interface Reconciler {
  /** Does all that can be done at once; compiles are started and not awaited. Throws what the kernel says when read. */
  pass(wanted: Wanted): Promise<PassResult>;
  /** Whether kernel or processes are no longer what the last pass saw, or have to be looked at again. Cheap. */
  moved(): Promise<boolean>;
  /** The compiled policies on the disk were deleted: they are compiled again. What is loaded stays as it is. */
  filesLost(): void;
  compiled(policy: WantedPolicy, compiled: CompiledPolicy): void;
  failed(policy: WantedPolicy, failure: Failure): void;
}

export interface Wanted {
  policies: readonly WantedPolicy[];
  living: ReadonlyMap<string, LivingObject>;
  unload: UnloadPermission;
  /**
   * Resolves when the next start would want the same, false if that could not be written. Before it nothing is loaded, and nothing removed,
   * which an agent that starts without the API server would undo.
   */
  remembered: Promise<boolean>;
}

/** What a pass found and left. */
export interface PassResult {
  plan: Plan;
  kernel: readonly KernelProfile[];
  ledger: Ledger;
  /** Policies that wait for their compile, without those known to be slow. */
  compiling: number;
  /** Clock milliseconds of the next retry. */
  retryAt?: number;
}

export interface ReconcilerParts {
  kernel: AppArmorKernel;
  processes: ProcessTable;
  store: CompiledStore;
  slot: () => CompileSlot;
  ledger: Ledger;
  /** Resolves false if it could not be written. */
  writeLedger: (ledger: Ledger) => Promise<boolean>;
  bootID: string;
  clock: Clock;
  log: Logger;
  metrics: AgentMetrics;
}

export const NOTHING_DONE: PassResult = {
  plan: { policies: [], retained: [], removals: [], waiting: [], forget: [] },
  kernel: [],
  ledger: EMPTY_LEDGER,
  compiling: 0,
};

export function createReconciler(parts: ReconcilerParts): Reconciler {
  let ledger = parts.ledger;
  let snapshot: KernelSnapshot | undefined;
  let keptFiles = '';
  const compiled = new Map<string, CompiledPolicy>();
  const failures = new Map<string, Failure>();
  const attempts = new Map<string, number>();
  const lookedUp = new Set<string>();

  // In memory before it is on disk: whatever fails after a load, the next plan must know that the load was ours.
  const writeLedger = (next: Ledger): Promise<boolean> => {
    ledger = next;
    return parts.writeLedger(next);
  };
  const unloader = createUnloader({ ...parts, writeLedger });

  const look = async (): Promise<KernelSnapshot> => {
    if (snapshot === undefined || (await parts.kernel.revision()) !== snapshot.revision) {
      snapshot = await takeSnapshot(parts.kernel);
    }
    return snapshot;
  };

  const decide = ({ policies, living, unload }: Wanted, { profiles }: KernelSnapshot): Plan =>
    planNode({
      wanted: policies,
      living,
      kernel: profiles,
      ledger,
      bootID: parts.bootID,
      compiled,
      failures,
      isSlow: (fingerprint) => parts.slot().isSlow(fingerprint),
      unload: unloader.knowledge(unload),
      now: parts.clock.now(),
    });

  /** Returns whether the kernel or the ledger changed, so that it must be decided again. */
  const act = async (plan: Plan, { remembered }: Wanted): Promise<boolean> => {
    const result = await carryOut(plan, { ledger, attempts, remembered }, { ...parts, writeLedger });
    snapshot = result.snapshot ?? snapshot;
    for (const { id, fingerprint } of result.succeeded) {
      for (const key of [id, fingerprint]) {
        failures.delete(key);
        attempts.delete(key);
      }
    }
    for (const [id, failure] of result.failures) {
      failures.set(id, failure);
      attempts.set(id, (attempts.get(id) ?? 0) + 1);
    }
    for (const load of result.missing) missed(load);
    return result.succeeded.length + result.failures.size + result.missing.length > 0;
  };

  const hasFailed = (fingerprint: string): boolean => {
    const failure = failures.get(fingerprint);
    return failure !== undefined && (failure.retryAt === undefined || failure.retryAt > parts.clock.now());
  };

  const missed = ({ id, fingerprint }: LedgerLoad): void => {
    const message = 'its compiled policy is no longer on the node';
    // A last good load of an earlier revision has no text here that it could be compiled from.
    if (!compiled.delete(fingerprint)) {
      failures.set(id, { reason: 'KernelError', message });
      return;
    }
    const times = attempts.get(fingerprint) ?? 0;
    attempts.set(fingerprint, times + 1);
    // Just compiled, and gone or damaged again: the disk is at fault, and would be for ever.
    if (times === 0) return;
    const retryAt = parts.clock.now() + retryDelayMs(times);
    failures.set(fingerprint, { reason: 'KernelError', message: `${message}, again: look at its disk`, retryAt });
  };

  /** Compiled before the agent was started: no need to compile again. */
  const lookUp = async (policies: readonly WantedPolicy[]): Promise<void> => {
    for (const { fingerprint } of policies) {
      if (lookedUp.has(fingerprint)) continue;
      lookedUp.add(fingerprint);
      const stored = await parts.store.find(fingerprint);
      if (stored === undefined) continue;
      const { binary, ...hashes } = stored;
      const profiles = readProfiles(binary);
      if (profiles === undefined) continue;
      // The file holds no more than the kernel gets; what was said when it was made is in the ledger.
      const warning = [...ledger.loads.values()].find((load) => load.fingerprint === fingerprint)?.warning;
      compiled.set(fingerprint, { ...hashes, profiles, ...(warning === undefined ? {} : { warning }) });
    }
  };

  /** Forgets what nobody needs any more, in memory and on the disk. */
  const tidy = async (plan: Plan, policies: readonly WantedPolicy[]): Promise<void> => {
    if (plan.forget.length > 0) await writeLedger(withoutRows(ledger, plan.forget));
    const fingerprints = new Set(policies.map(({ fingerprint }) => fingerprint));
    const revisions = new Set(policies.map(({ revision }) => revision));
    for (const known of [compiled, lookedUp]) {
      for (const key of known.keys()) if (!fingerprints.has(key)) known.delete(key);
    }
    for (const known of [failures, attempts]) {
      for (const key of known.keys()) {
        const isNeeded = fingerprints.has(key) || ledger.loads.has(key) || revisions.has(key.split('.', 1)[0] ?? '');
        if (!isNeeded) known.delete(key);
      }
    }
    const files = [...ledger.loads.values()].map(({ fingerprint, sha256 }) => ({ fingerprint, sha256 }));
    for (const [fingerprint, { sha256 }] of compiled) files.push({ fingerprint, sha256 });
    const key = JSON.stringify(files);
    if (key !== keptFiles) await parts.store.keepOnly(files);
    keptFiles = key;
  };

  return {
    async pass(wanted) {
      await lookUp(wanted.policies);
      let seen = await look();
      let plan = decide(wanted, seen);
      const again = async (): Promise<void> => {
        seen = await look();
        plan = decide(wanted, seen);
      };
      while (await act(plan, wanted)) await again();
      if (await unloader.observe(plan)) await again();
      if (plan.removals.length > 0 && (await wanted.remembered)) {
        await unloader.carryOut(plan, ledger);
        await again();
      }
      await tidy(plan, wanted.policies);

      const toCompile = plan.policies.filter(({ step }) => step.kind === 'compile').map(({ policy }) => policy);
      const slot = parts.slot();
      // Compiles go on beside a pass: of what it found missing some may be here by now.
      slot.offer(toCompile.filter(({ fingerprint }) => !compiled.has(fingerprint) && !hasFailed(fingerprint)));
      const retries = [...failures.values()].map(({ retryAt }) => retryAt).filter((at) => at !== undefined);
      retries.push(...unloader.retryTimes(plan));
      return {
        plan,
        kernel: seen.profiles,
        ledger,
        compiling: toCompile.filter(({ fingerprint }) => !slot.isSlow(fingerprint)).length,
        ...(retries.length === 0 ? {} : { retryAt: Math.min(...retries) }),
      };
    },
    async moved() {
      if (snapshot === undefined || (await parts.kernel.revision()) !== snapshot.revision) return true;
      return unloader.isDue();
    },
    filesLost() {
      compiled.clear();
      lookedUp.clear();
      keptFiles = '';
    },
    compiled(policy, made) {
      compiled.set(policy.fingerprint, made);
      failures.delete(policy.fingerprint);
      // It may have been missing on the disk.
      failures.delete(loadId(policy.revision, made.sha256));
      lookedUp.add(policy.fingerprint);
    },
    failed(policy, failure) {
      failures.set(policy.fingerprint, failure);
    },
  };
}

function readProfiles(binary: Buffer): CompiledPolicy['profiles'] | undefined {
  try {
    return readCompiledProfiles(binary).map(({ name, mode }) => ({ name, mode }));
  } catch (error) {
    if (error instanceof CompiledPolicyError) return undefined;
    throw error;
  }
}
