import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { startHealthServer } from '../health.ts';
import type { AppArmorKernel } from '../kernel/apparmor.ts';
import { bootId, kernelRelease } from '../kernel/host.ts';
import { openProcessTable } from '../kernel/processes.ts';
import { createKubeClient } from '../kube/client.ts';
import type { Clock } from '../kube/clock.ts';
import { createSerialTransport } from '../kube/serial-transport.ts';
import type { Transport } from '../kube/transport.ts';
import type { Logger } from '../log.ts';
import { compilerFingerprint } from '../policy/compile.ts';
import type { CompileLimits, CompilerPaths, CompileRequest, CompileResult } from '../policy/compile.ts';
import { deleteUnfinished } from './atomic-file.ts';
import { createCompileSlot } from './compile-slot.ts';
import type { PolicyCompiler } from './compile-slot.ts';
import { openCompiledStore } from './compiled-store.ts';
import { readEnvironment } from './environment.ts';
import { createAgentMetrics } from './metrics.ts';
import { createNodeLoop } from './node-loop.ts';
import { prepareRevision } from './prepared-revision.ts';
import { createReadiness } from './readiness.ts';
import type { Readiness } from './readiness.ts';
import { createReconciler } from './reconciler.ts';
import { createReporter } from './reporter.ts';
import { openRevisionStore } from './revision-store.ts';
import { createRevisionsSource } from './revisions-source.ts';
import { openStateFolder } from './state-folder.ts';
import { createWake } from './wake.ts';
import { startWatches } from './watches.ts';

export interface AgentOptions {
  /** Name of the Node, and of its AppArmorNode. */
  node: string;
  /** Where the ControllerRevisions are. */
  namespace: string;
  stateFolder: string;
  /** Where the host's /proc is mounted. */
  proc: string;
  compiler: CompilerPaths;
  /** A compile that overruns `short` in time runs once more under `long`, behind all others. */
  limits: { short: CompileLimits; long: CompileLimits };
  /** 0: any free port. */
  healthPort: number;
}

export interface AgentParts {
  kernel: AppArmorKernel;
  transport: Transport;
  /** `compilePolicy` and `parserVersion` of src/policy. */
  compile: (request: CompileRequest, paths: CompilerPaths) => Promise<CompileResult>;
  parserVersion: (paths: CompilerPaths) => Promise<string>;
  log: Logger;
  metrics: Registry;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  /** Frees what is no longer needed, while there is nothing else to do. */
  collectGarbage: () => void;
  /** Told the port of the health server. */
  onListening?: (port: number) => void;
}

/**
 * Keeps one node's kernel as the revisions say, until the signal aborts. Loads from the state folder before the API server
 * has answered. Ending changes nothing in the kernel. Throws if the health port or the host's /proc cannot be used.
 */
export async function runAgent(options: AgentOptions, parts: AgentParts): Promise<void> {
  const readiness = createReadiness(parts.clock);
  const health = await startHealthServer({
    port: options.healthPort,
    checks: { livez: { loop: readiness.loop }, readyz: readiness.checks },
    metrics: parts.metrics,
  });
  parts.onListening?.(health.port);
  const stop = new AbortController();
  try {
    await runLoops(options, { ...parts, signal: AbortSignal.any([parts.signal, stop.signal]) }, readiness, stop);
  } finally {
    stop.abort();
    await health.stop();
  }
}

async function runLoops(
  options: AgentOptions,
  parts: AgentParts,
  readiness: Readiness,
  stop: AbortController,
): Promise<void> {
  const { node, namespace, stateFolder, proc, limits } = options;
  const { kernel, clock, random, log, signal } = parts;
  const transport = createSerialTransport(parts.transport);
  const compiler: PolicyCompiler = {
    compile: (request) => parts.compile(request, options.compiler),
    version: () => parts.parserVersion(options.compiler),
    fingerprint: () => compilerFingerprint(options.compiler),
  };
  const metrics = createAgentMetrics(parts.metrics);
  const client = createKubeClient(transport);
  const wake = createWake(clock);
  const processes = openProcessTable(proc);
  const shared = { node, namespace, client, clock, random, log, signal, metrics, wake, readiness, kernel, processes };

  const state = openStateFolder({ folder: stateFolder, node, log });
  const [bootID, release] = await Promise.all([bootId(proc), kernelRelease(proc)]);
  const [ledger, lastKnown] = await Promise.all([state.readLedger(), state.readLastKnown()]);
  const [textsFolder, compiledFolder] = [join(stateFolder, 'revisions'), join(stateFolder, 'compiled')];
  for (const folder of [stateFolder, textsFolder, compiledFolder]) await deleteUnfinished(folder);
  const texts = openRevisionStore({ ...shared, folder: textsFolder, state });
  const store = openCompiledStore({ folder: compiledFolder, state, log });

  const reporter = createReporter(shared);
  const revisions = createRevisionsSource({
    ...shared,
    store: texts,
    prepare: (head, content) => prepareRevision({ ...head, content }),
    onChange: () => wake.call(),
  });
  const reconciler = createReconciler({
    ...shared,
    store,
    ledger,
    bootID,
    writeLedger: (next) => state.writeLedger(next),
    slot: () => slot,
  });
  const loop = createNodeLoop({
    ...shared,
    bootID,
    kernelRelease: release,
    readEnvironment: () => readEnvironment(compiler, clock, log),
    lastKnown,
    state,
    texts,
    revisions,
    reconciler,
    reporter,
    onQuiet: parts.collectGarbage,
  });
  const slot = createCompileSlot({
    ...shared,
    compiler,
    textOf: (policy) => loop.textOf(policy),
    save: (fingerprint, binary) => store.save(fingerprint, binary),
    limits,
    onCompiled: (policy, made) => reconciler.compiled(policy, made),
    onFailed: (policy, failure) => reconciler.failed(policy, failure),
    onIdle: () => wake.call(),
  });
  const watches = startWatches({
    ...shared,
    transport,
    onRevisions: (heads) => loop.setHeads(heads),
    onLabels: (labels) => loop.setLabels(labels),
    onNode: (seen) => {
      reporter.seen(seen);
      loop.setGrants(seen?.unload ?? []);
    },
  });

  // Before the first pass, which would otherwise remember that there is nothing.
  await revisions.restore();
  log.info('the agent runs', { node, bootID, kernel: release });
  await allOrNone([loop.run(), revisions.run(), reporter.run(), watches.stopped], stop);
  await slot.stopped();
  await Promise.all([texts.written(), store.written()]);
}

/** Each ends when the signal aborts; if one fails, the others are ended too. */
async function allOrNone(loops: readonly Promise<void>[], stop: AbortController): Promise<void> {
  const ends = await Promise.allSettled(
    loops.map((loop) =>
      loop.catch((error: unknown) => {
        stop.abort();
        throw error;
      }),
    ),
  );
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
