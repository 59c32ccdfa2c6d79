import { join } from 'node:path';
import { Registry } from 'prom-client';
import { deleteUnfinished } from '../../../src/agent/atomic-file.ts';
import { createCompileSlot } from '../../../src/agent/compile-slot.ts';
import { openCompiledStore } from '../../../src/agent/compiled-store.ts';
import type { Ledger } from '../../../src/agent/ledger.ts';
import { createAgentMetrics } from '../../../src/agent/metrics.ts';
import { livingObjects, prepareRevision, textOf, wantedPolicies } from '../../../src/agent/prepared-revision.ts';
import { createReconciler } from '../../../src/agent/reconciler.ts';
import type { PassResult } from '../../../src/agent/reconciler.ts';
import type { UnloadGrant } from '../../../src/agent/removals.ts';
import { nodeStatus } from '../../../src/agent/report.ts';
import type { RevisionHead } from '../../../src/agent/revision-content.ts';
import { openRevisionStore } from '../../../src/agent/revision-store.ts';
import { openStateFolder } from '../../../src/agent/state-folder.ts';
import type { AppArmorNodeStatus } from '../../../src/api/generated/apparmornode.ts';
import type { RevisionContent } from '../../../src/api/revision.ts';
import type { AppArmorKernel } from '../../../src/kernel/apparmor.ts';
import { createInMemoryProcesses } from '../kernel/in-memory-processes.ts';
import { createManualClock } from '../kube/manual-clock.ts';
import { createInMemoryCompiler } from './in-memory-compiler.ts';
import { content, headOf } from './objects.ts';
import { silentLog } from './silent-log.ts';

export interface NodeParts {
  /** The state folder. */
  folder: string;
  kernel: AppArmorKernel;
  bootID: string;
  environment?: string;
}

/** What an agent has come to. */
export interface NodeOutcome {
  ledger: Ledger;
  status: AppArmorNodeStatus;
  result: PassResult;
}

/** An agent's parts on a real state folder, without the API server: each call is the life of one agent until nothing is left to do. */
export interface NodePieces {
  /** The API server lists just these. */
  follow(published: readonly RevisionContent[], grants?: readonly UnloadGrant[]): Promise<NodeOutcome>;
  /** The API server does not answer. */
  remember(): Promise<NodeOutcome>;
}

const NODE = 'node-a';
const LIMITS = { addressSpaceBytes: 1, cpuSeconds: 5, wallClockMs: 1, outputBytes: 1 };

export function nodePieces({ folder, kernel, bootID, environment = 'env' }: NodeParts): NodePieces {
  return {
    follow: (published, grants = []) => live(new Map(published.map((one) => [one.object.uid, one])), grants),
    remember: () => live(undefined, []),
  };

  async function live(
    published: ReadonlyMap<string, RevisionContent> | undefined,
    grants: readonly UnloadGrant[],
  ): Promise<NodeOutcome> {
    const log = silentLog();
    const clock = createManualClock();
    const metrics = createAgentMetrics(new Registry());
    const state = openStateFolder({ folder, node: NODE, log });
    const ledger = await state.readLedger();
    const known = await state.readLastKnown();
    const [textsFolder, compiledFolder] = [join(folder, 'revisions'), join(folder, 'compiled')];
    for (const one of [folder, textsFolder, compiledFolder]) await deleteUnfinished(one);
    const texts = openRevisionStore({ folder: textsFolder, node: NODE, state, log });
    const store = openCompiledStore({ folder: compiledFolder, state, log });

    const heads =
      published === undefined ? (known?.revisions ?? []) : [...published.values()].map((one) => headOf(one));
    const contents = new Map<string, RevisionContent>();
    for (const head of heads) {
      const one = (await texts.read(head)) ?? published?.get(head.objectUid);
      if (one === undefined) continue;
      if ((await texts.read(head)) === undefined) await texts.save(head, one);
      contents.set(head.name, one);
    }
    await texts.written();
    await state.writeLastKnown({ labels: {}, revisions: heads.filter(({ name }) => contents.has(name)) });
    await texts.keepOnly(new Set(heads.map(({ name }) => name)));

    let isIdle = true;
    const stop = new AbortController();
    const compiler = createInMemoryCompiler();
    const slot = createCompileSlot({
      compiler: {
        compile: (request) => {
          isIdle = false;
          return compiler.compile(request);
        },
        version: async () => '4.1.0',
        fingerprint: async () => environment,
      },
      textOf: async (policy) => {
        const one = contents.get(policy.text);
        return one === undefined ? undefined : textOf(one, {}, policy);
      },
      save: (fingerprint, binary) => store.save(fingerprint, binary),
      limits: { short: LIMITS, long: LIMITS },
      onCompiled: (policy, made) => reconciler.compiled(policy, made),
      onFailed: (policy, failure) => reconciler.failed(policy, failure),
      onIdle: () => void (isIdle = true),
      signal: stop.signal,
      clock,
      log,
      metrics,
    });
    const reconciler = createReconciler({
      kernel,
      processes: createInMemoryProcesses(),
      store,
      slot: () => slot,
      ledger,
      writeLedger: (next) => state.writeLedger(next),
      bootID,
      clock,
      log,
      metrics,
    });
    const prepared = heads.flatMap((head: RevisionHead) => {
      const one = contents.get(head.name);
      return one === undefined ? [] : [prepareRevision({ ...head, content: one })];
    });
    const wanted = {
      policies: wantedPolicies(prepared, {}, environment),
      living: livingObjects(
        heads.map((newest) => ({ newest })),
        prepared,
      ),
      unload: { allowed: published !== undefined, grants },
      remembered: Promise.resolve(true),
    };
    let result = await reconciler.pass(wanted);
    while (result.compiling > 0) {
      await slot.stopped();
      result = await reconciler.pass(wanted);
    }
    if (!isIdle) throw new Error('the compiler still runs');
    const trouble = state.trouble();
    const status = nodeStatus({
      bootID,
      state: { enforcing: true },
      plan: result.plan,
      kernel: result.kernel,
      ledger: result.ledger,
      invalid: [],
      ...(trouble === undefined ? {} : { trouble }),
    });
    return { ledger: result.ledger, status, result };
  }
}

/** A text of an object `name`, in its `version`. */
export function versionOf(name: string, version: number, profiles: readonly string[] = [name]): RevisionContent {
  const policy = profiles.map((profile) => `# version ${version}\nprofile ${profile} {\n  file,\n}\n`).join('');
  return content(name, { policy, profiles: [...profiles] });
}
