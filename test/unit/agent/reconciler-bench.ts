import { Registry } from 'prom-client';
import type { CompileSlot } from '../../../src/agent/compile-slot.ts';
import type { CompiledStore } from '../../../src/agent/compiled-store.ts';
import { decodeLedger, EMPTY_LEDGER, encodeLedger } from '../../../src/agent/ledger.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import { createReconciler } from '../../../src/agent/reconciler.ts';
import type { PassResult, Reconciler } from '../../../src/agent/reconciler.ts';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
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
  /** Throws at the step with this number, as a kill would end the process there. */
  crashAt?: number;
  steps: string[];
}

export function bench(store: CompiledStore): Bench {
  return {
    kernel: createInMemoryKernel(),
    store,
    clock: createManualClock(),
    disk: { text: encodeLedger(EMPTY_LEDGER, 'n') },
    offered: [],
    slow: new Set(),
    steps: [],
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
      remove: () => Promise.reject(new Error('nothing is ever removed')),
      async load(binary) {
        step(of, 'before load');
        await kernel.load(binary);
        step(of, 'after load');
      },
    },
    store: of.store,
    slot: () => slot,
    ledger: decodeLedger(of.disk.text, 'n'),
    async writeLedger(ledger) {
      step(of, 'before ledger');
      of.disk.text = encodeLedger(ledger, 'n');
      step(of, 'after ledger');
    },
    bootID,
    clock: of.clock,
    log: silentLog(),
    metrics: createAgentMetrics(new Registry()),
  });
}

export function pass(of: Reconciler, policies: readonly WantedPolicy[]): Promise<PassResult> {
  return of.pass({ policies, living: planInput(policies).living });
}
