import { Registry } from 'prom-client';
import type { CompileSlot } from '../../../src/agent/compile-slot.ts';
import type { CompiledStore } from '../../../src/agent/compiled-store.ts';
import { decodeLedger, EMPTY_LEDGER, encodeLedger } from '../../../src/agent/ledger.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import { createReconciler } from '../../../src/agent/reconciler.ts';
import type { PassResult, Reconciler } from '../../../src/agent/reconciler.ts';
import type { LivingObject } from '../../../src/agent/ownership.ts';
import type { UnloadPermission } from '../../../src/agent/unloader.ts';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { createInMemoryProcesses } from '../kernel/in-memory-processes.ts';
import type { InMemoryProcesses } from '../kernel/in-memory-processes.ts';
import { createManualClock } from '../kube/manual-clock.ts';
import type { ManualClock } from '../kube/manual-clock.ts';
import { binaryOf, BOOT, hashesOf, planInput } from './objects.ts';
import { silentLog } from './silent-log.ts';

/** Compiled policies by fingerprint. */
export function storeOf(...policies: readonly WantedPolicy[]): CompiledStore {
  const binaries = new Map(policies.map((policy) => [policy.fingerprint, binaryOf(policy)]));
  return {
    find: async (fingerprint) => {
      const binary = binaries.get(fingerprint);
      return binary === undefined ? undefined : { binary, ...hashesOf(binary) };
    },
    read: async (fingerprint) => binaries.get(fingerprint),
    save: async (fingerprint, binary) => {
      binaries.set(fingerprint, binary);
      return hashesOf(binary);
    },
    written: async () => undefined,
    keepOnly: async () => undefined,
  };
}

export interface Bench {
  kernel: InMemoryKernel;
  store: CompiledStore;
  clock: ManualClock;
  disk: { text: string };
  offered: WantedPolicy[][];
  slow: Set<string>;
  processes: InMemoryProcesses;
  /** Throws at the step with this number, as a kill would end the process there. */
  crashAt?: number;
  steps: string[];
  /** The disk is full. */
  cannotWrite: boolean;
}

export function bench(store: CompiledStore): Bench {
  return {
    kernel: createInMemoryKernel(),
    store,
    clock: createManualClock(),
    disk: { text: encodeLedger(EMPTY_LEDGER, 'n') },
    offered: [],
    slow: new Set(),
    processes: createInMemoryProcesses(),
    steps: [],
    cannotWrite: false,
  };
}

function step(of: Bench, name: string): void {
  of.steps.push(name);
  if (of.steps.length === of.crashAt) throw new Error(`killed at ${name}`);
}

export function reconciler(of: Bench, bootID = BOOT): Reconciler {
  const slot: CompileSlot = {
    offer: (candidates) => void of.offered.push([...candidates]),
    isSlow: (fingerprint) => of.slow.has(fingerprint),
    stopped: async () => undefined,
  };
  const { kernel } = of;
  return createReconciler({
    kernel: {
      state: () => kernel.state(),
      revision: () => kernel.revision(),
      profiles: () => kernel.profiles(),
      async remove(name) {
        step(of, 'before remove');
        await kernel.remove(name);
        step(of, 'after remove');
      },
      async load(binary) {
        step(of, 'before load');
        await kernel.load(binary);
        step(of, 'after load');
      },
    },
    processes: of.processes,
    store: of.store,
    slot: () => slot,
    ledger: decodeLedger(of.disk.text, 'n'),
    async writeLedger(ledger) {
      step(of, 'before ledger');
      if (of.cannotWrite) return false;
      of.disk.text = encodeLedger(ledger, 'n');
      step(of, 'after ledger');
      return true;
    },
    bootID,
    clock: of.clock,
    log: silentLog(),
    metrics: createAgentMetrics(new Registry()),
  });
}

/** `living`: objects that exist besides those of the policies. */
export function pass(
  of: Reconciler,
  policies: readonly WantedPolicy[],
  unload: UnloadPermission = { allowed: true, grants: [] },
  living: readonly LivingObject[] = [],
  remembered = Promise.resolve(true),
): Promise<PassResult> {
  const objects = new Map(planInput(policies).living);
  for (const object of living) objects.set(object.uid, object);
  return of.pass({ policies, living: objects, unload, remembered });
}
