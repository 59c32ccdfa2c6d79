import type { AppArmorKernel, KernelProfile } from '../kernel/apparmor.ts';
import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import { CompiledPolicyError, readCompiledProfiles } from '../policy/compiled.ts';
import { carryOut, takeSnapshot } from './act.ts';
import type { CompileSlot } from './compile-slot.ts';
import type { CompiledStore } from './compiled-store.ts';
import type { Failure } from './failure.ts';
import type { KernelSnapshot } from './kernel-view.ts';
import { EMPTY_LEDGER, withoutRows } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import type { AgentMetrics } from './metrics.ts';
import type { LivingObject } from './ownership.ts';
import { planNode } from './plan.ts';
import type { CompiledPolicy, Plan } from './plan.ts';
import type { WantedPolicy } from './prepared-revision.ts';

/** Gather → decide → act for one node. Passes are never run side by side. */
export interface Reconciler {
  /** Does all that can be done at once; compiles are started and not awaited. Throws what the kernel says when read. */
  pass(wanted: Wanted): Promise<PassResult>;
  /** Whether the kernel's policy is no longer what the last pass saw. Cheap. */
  moved(): Promise<boolean>;
  compiled(policy: WantedPolicy, compiled: CompiledPolicy): void;
  failed(policy: WantedPolicy, failure: Failure): void;
}

export interface Wanted {
  policies: readonly WantedPolicy[];
  living: ReadonlyMap<string, LivingObject>;
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
  store: CompiledStore;
  slot: () => CompileSlot;
  ledger: Ledger;
  writeLedger: (ledger: Ledger) => Promise<void>;
  bootID: string;
  clock: Clock;
  log: Logger;
  metrics: AgentMetrics;
}

export const NOTHING_DONE: PassResult = {
  plan: { policies: [], retained: [], forget: [] },
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
  const writeLedger = async (next: Ledger): Promise<void> => {
    ledger = next;
    await parts.writeLedger(next);
  };

  const look = async (): Promise<KernelSnapshot> => {
    if (snapshot === undefined || (await parts.kernel.revision()) !== snapshot.revision) {
      snapshot = await takeSnapshot(parts.kernel);
    }
    return snapshot;
  };

  const decide = ({ policies, living }: Wanted, { profiles }: KernelSnapshot): Plan =>
    planNode({
      wanted: policies,
      living,
      kernel: profiles,
      ledger,
      bootID: parts.bootID,
      compiled,
      failures,
      now: parts.clock.now(),
    });

  /** Returns whether the kernel or the ledger changed, so that it must be decided again. */
  const act = async (plan: Plan): Promise<boolean> => {
    const result = await carryOut(plan, { ledger, attempts }, { ...parts, writeLedger });
    for (const id of result.succeeded) {
      failures.delete(id);
      attempts.delete(id);
    }
    for (const [id, failure] of result.failures) {
      failures.set(id, failure);
      attempts.set(id, (attempts.get(id) ?? 0) + 1);
    }
    for (const load of result.missing) {
      if (compiled.delete(load.fingerprint)) continue;
      // A last good load of an earlier revision has no text here that it could be compiled from.
      failures.set(load.id, { reason: 'KernelError', message: 'its compiled policy is no longer on the node' });
    }
    return result.succeeded.length + result.failures.size + result.missing.length > 0;
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
      if (profiles !== undefined) compiled.set(fingerprint, { ...hashes, profiles });
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
      while (await act(plan)) {
        seen = await look();
        plan = decide(wanted, seen);
      }
      await tidy(plan, wanted.policies);

      const toCompile = plan.policies.filter(({ step }) => step.kind === 'compile').map(({ policy }) => policy);
      const slot = parts.slot();
      slot.offer(toCompile);
      const retries = [...failures.values()].map(({ retryAt }) => retryAt).filter((at) => at !== undefined);
      return {
        plan,
        kernel: seen.profiles,
        ledger,
        compiling: toCompile.filter(({ fingerprint }) => !slot.isSlow(fingerprint)).length,
        ...(retries.length === 0 ? {} : { retryAt: Math.min(...retries) }),
      };
    },
    async moved() {
      return snapshot === undefined || (await parts.kernel.revision()) !== snapshot.revision;
    },
    compiled(policy, made) {
      compiled.set(policy.fingerprint, made);
      failures.delete(policy.fingerprint);
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
