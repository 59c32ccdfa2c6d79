import type { CompileLimits, CompileRequest, CompileResult, ParserMessage } from '../policy/compile.ts';
import { CompiledPolicyError, readCompiledProfiles } from '../policy/compiled.ts';
import type { Clock } from '../kube/clock.ts';
import type { Logger } from '../log.ts';
import { clip } from './clip.ts';
import type { CompiledHashes } from './compiled-store.ts';
import { compileFailure } from './failure.ts';
import type { Failure } from './failure.ts';
import type { CompileWarning } from './ledger.ts';
import type { AgentMetrics } from './metrics.ts';
import type { CompiledPolicy } from './plan.ts';
import type { WantedPolicy } from './prepared-revision.ts';

/** apparmor_parser as src/policy runs it, with its paths filled in. */
export interface PolicyCompiler {
  /** Rejects only if the signal aborts. */
  compile(request: CompileRequest): Promise<CompileResult>;
  /** Throws if the parser cannot be run. */
  version(): Promise<string>;
  /** Hash of everything besides the text and its mode that makes a compiled policy. Throws if something is missing. */
  fingerprint(): Promise<string>;
}

/** One apparmor_parser at a time, beside the agent's loop: two could together exceed the container's memory. */
export interface CompileSlot {
  /**
   * What is to be compiled from now on, one after the other. A text that overran the short limits waits behind all others, gives
   * way to them when it runs, and is begun only when it is offered.
   */
  offer(candidates: readonly WantedPolicy[]): void;
  /** Whether the text overran the short limits and has yet to run under the long ones. */
  isSlow(fingerprint: string): boolean;
  /** Resolves when nothing runs any more; `signal` must have aborted. */
  stopped(): Promise<void>;
}

export interface CompileSlotOptions {
  compiler: PolicyCompiler;
  /** undefined: the text is not here (any more). */
  textOf: (policy: WantedPolicy) => Promise<string | undefined>;
  save: (fingerprint: string, binary: Buffer) => Promise<CompiledHashes>;
  limits: { short: CompileLimits; long: CompileLimits };
  onCompiled: (policy: WantedPolicy, compiled: CompiledPolicy) => void;
  onFailed: (policy: WantedPolicy, failure: Failure) => void;
  /** When nothing is left to begin, and every second while there is: what was compiled meanwhile can be loaded together. */
  onIdle: () => void;
  signal: AbortSignal;
  clock: Clock;
  log: Logger;
  metrics: AgentMetrics;
}

/**
 * A pass looks at all policies, so one for each compile would cost the square of their number: measured, 23 ms of processor time for
 * each of a hundred policies that came at once.
 */
const GATHER_MS = 1_000;

export function createCompileSlot(options: CompileSlotOptions): CompileSlot {
  const slow = new Set<string>();
  const attempts = new Map<string, number>();
  let running: { fingerprint: string; slow: boolean; giveWay: AbortController; done: Promise<void> } | undefined;
  let waiting: readonly WantedPolicy[] = [];
  let lastTold = -Infinity;

  const isQuick = ({ fingerprint }: WantedPolicy): boolean => !slow.has(fingerprint);

  const startQuick = (): boolean => {
    const next = options.signal.aborted ? undefined : waiting.find(isQuick);
    if (next !== undefined) start(next);
    return next !== undefined;
  };

  const start = (policy: WantedPolicy): void => {
    const giveWay = new AbortController();
    const isSlow = slow.has(policy.fingerprint);
    const signal = AbortSignal.any([options.signal, giveWay.signal]);
    waiting = waiting.filter(({ fingerprint }) => fingerprint !== policy.fingerprint);
    running = { fingerprint: policy.fingerprint, slow: isSlow, giveWay, done: runToEnd(policy, isSlow, signal) };
  };

  const runToEnd = async (policy: WantedPolicy, isSlow: boolean, signal: AbortSignal): Promise<void> => {
    try {
      await run(policy, isSlow, signal);
    } catch (error) {
      if (!signal.aborted) {
        options.log.error('a compile ended unexpectedly', { text: policy.text, error });
        fail(policy, { kind: 'failed', reason: 'ParserUnavailable', message: String(error), stderr: '' });
      }
    } finally {
      running = undefined;
      const goesOn = startQuick();
      const now = options.clock.now();
      if (!goesOn || now - lastTold >= GATHER_MS) {
        lastTold = now;
        options.onIdle();
      }
    }
  };

  const run = async (policy: WantedPolicy, isSlow: boolean, signal: AbortSignal): Promise<void> => {
    const { fingerprint, mode } = policy;
    const text = await options.textOf(policy);
    if (text === undefined || signal.aborted) return;
    const limits = isSlow ? options.limits.long : options.limits.short;
    const began = options.clock.now();
    const result = await options.compiler.compile({ text, limits, signal, ...(mode === undefined ? {} : { mode }) });
    if (signal.aborted) return;
    const took = (options.clock.now() - began) / 1000;
    options.metrics.compileSeconds.observe({ result: result.kind === 'compiled' ? 'ok' : result.reason }, took);
    if (result.kind === 'failed') {
      if (result.reason === 'CompileTimeout' && !isSlow) {
        slow.add(fingerprint);
        options.log.warn('a compile takes long and goes behind all others', { text: policy.text });
        return;
      }
      fail(policy, result);
      return;
    }
    for (const { message, line, file } of result.warnings) {
      options.log.warn('apparmor_parser warns', { text: policy.text, warning: message, line, file });
    }
    await accept(policy, result.binary, warningOf(result.warnings));
  };

  const accept = async (policy: WantedPolicy, binary: Buffer, warning: CompileWarning | undefined): Promise<void> => {
    try {
      const profiles = readCompiledProfiles(binary).map(({ name, mode }) => ({ name, mode }));
      const hashes = await options.save(policy.fingerprint, binary);
      options.log.debug('compiled a policy', { text: policy.text, bytes: binary.length });
      slow.delete(policy.fingerprint);
      options.onCompiled(policy, { ...hashes, profiles, ...(warning === undefined ? {} : { warning }) });
    } catch (error) {
      if (!(error instanceof CompiledPolicyError)) throw error;
      fail(policy, { kind: 'failed', reason: 'CompileFailed', message: error.message, stderr: '' });
    }
  };

  const fail = (policy: WantedPolicy, result: Extract<CompileResult, { kind: 'failed' }>): void => {
    const attempt = attempts.get(policy.fingerprint) ?? 0;
    attempts.set(policy.fingerprint, attempt + 1);
    slow.delete(policy.fingerprint);
    const { reason, message, line, stderr } = result;
    options.log.error('a policy does not compile', { text: policy.text, reason, problem: message, line, stderr });
    options.onFailed(policy, compileFailure(result, attempt, options.clock.now()));
  };

  return {
    offer(candidates) {
      if (options.signal.aborted) return;
      waiting = candidates.filter(({ fingerprint }) => fingerprint !== running?.fingerprint);
      if (running?.slow === true && waiting.some(isQuick)) running.giveWay.abort();
      if (running !== undefined) return;
      const [first] = waiting;
      if (!startQuick() && first !== undefined) start(first);
    },
    isSlow: (fingerprint) => slow.has(fingerprint),
    stopped: () => running?.done ?? Promise.resolve(),
  };
}

/** All that was said, once each, with the first line. */
function warningOf(warnings: readonly ParserMessage[]): CompileWarning | undefined {
  if (warnings.length === 0) return undefined;
  const message = clip([...new Set(warnings.map((one) => one.message))].join('; '));
  const line = warnings.find((one) => one.line !== undefined)?.line;
  return line === undefined ? { message } : { message, line };
}
