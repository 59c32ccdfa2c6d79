import { createHash } from 'node:crypto';
import { abortable } from '../../kube/deadline.ts';
import {
  compilePolicy,
  compilerFingerprint,
  type CompileFailureReason,
  type CompileLimits,
  type CompileResult,
  type CompilerPaths,
} from '../../policy/compile.ts';
import { LONG_LIMITS } from '../../policy/compile-limits.ts';
import { compiledNamesFault } from './compiled-names.ts';
import type { ObjectRuleId } from './object-rules.ts';
import { createRecent } from './recent.ts';
import { createSlots, type Place } from './slots.ts';
import { objectFinding, type TextFinding } from './verdict.ts';

/** Compiles texts on trial; nothing is loaded, and nothing is left behind. */
export interface TrialCompiler {
  /**
   * Compiles every text of an object. Resolves when all is known, or when the signal aborts with what is known by then; a
   * compile that was begun goes on within its limits, and whoever asks next finds its result. Does not reject.
   */
  try(request: TrialRequest, budget: TrialBudget, signal: AbortSignal): Promise<TrialOutcome>;
  /** Ends what runs and resolves when no process is left. */
  stop(): Promise<void>;
}

export interface TrialRequest {
  texts: readonly TrialText[];
  mode?: 'Enforce' | 'Complain';
}

export interface TrialText {
  /** The spec's field that holds it, as in a finding. */
  field: string;
  text: string;
}

export type TrialOutcome =
  | { kind: 'passed' }
  /** At least one; errors alone. */
  | { kind: 'refused'; errors: readonly TextFinding[] }
  /** `slow`: some text needs longer than the budget. `busy`: there was no place, or no time to wait for one; ask again. */
  | { kind: 'unfinished'; why: 'slow' | 'busy' }
  /** There is no parser that could be run: not the text's fault. */
  | { kind: 'unavailable'; message: string };

export interface TrialBudget {
  limits: CompileLimits;
  /** Whether a text that overruns it is refused; else it is `slow`. */
  final: boolean;
  urgency: 'urgent' | 'patient';
}

/** What a review at `kubectl apply` can wait for: the API server gives up after 10 s. */
export function reviewBudget(seconds = 8): TrialBudget {
  return {
    limits: { ...LONG_LIMITS, cpuSeconds: seconds, wallClockMs: seconds * 1000 },
    final: false,
    urgency: 'urgent',
  };
}

export const REVIEW: TrialBudget = reviewBudget();

/** What an agent gives a text at most. */
export const BACKGROUND: TrialBudget = { limits: LONG_LIMITS, final: true, urgency: 'patient' };

/** Each may take its whole address space, and together they must leave the container's memory to the program. */
const AT_ONCE = 2;
const MOST_WAITING = 32;

/** A result has at most a message of the parser, 1 KB. */
const MOST_REMEMBERED = 1000;

export function createTrialCompiler(paths: CompilerPaths): TrialCompiler {
  const stopping = new AbortController();
  const slots = createSlots(AT_ONCE, MOST_WAITING);
  const known = createRecent<Known>(MOST_REMEMBERED);
  const running = new Map<string, Promise<TextOutcome>>();
  const fingerprint = once(() => compilerFingerprint(paths));

  async function tryText(
    text: string,
    mode: TrialRequest['mode'],
    budget: TrialBudget,
    signal: AbortSignal,
  ): Promise<TextOutcome> {
    const compiler = await fingerprint();
    if (typeof compiler !== 'string') return { kind: 'unavailable', message: compiler.problem };
    const key = createHash('sha256')
      .update(`${compiler}\n${mode ?? ''}\n${text}`)
      .digest('hex');
    const before = known.get(key);
    if (before !== undefined && (before.kind !== 'slow' || before.cpuSeconds >= budget.limits.cpuSeconds)) {
      return before;
    }
    const run = `${key} ${budget.limits.cpuSeconds}`;
    const result = running.get(run) ?? begin(run, key, text, mode, budget, signal);
    return untilAborted(result, signal);
  }

  function begin(
    run: string,
    key: string,
    text: string,
    mode: TrialRequest['mode'],
    budget: TrialBudget,
    signal: AbortSignal,
  ): Promise<TextOutcome> {
    const result = compileInPlace(text, mode, budget, signal)
      .then((outcome) => {
        if (outcome.kind !== 'busy' && outcome.kind !== 'unavailable') known.set(key, outcome);
        return outcome;
      })
      .finally(() => running.delete(run));
    running.set(run, result);
    return result;
  }

  /** Who asked may leave the line; once there is a place the compile runs to its end. */
  async function compileInPlace(
    text: string,
    mode: TrialRequest['mode'],
    budget: TrialBudget,
    signal: AbortSignal,
  ): Promise<TextOutcome> {
    const place = await slots.take(budget.urgency, AbortSignal.any([signal, stopping.signal]));
    if (place === undefined || place === 'busy') return BUSY;
    return compileText(text, mode, budget, place);
  }

  async function compileText(
    text: string,
    mode: TrialRequest['mode'],
    budget: TrialBudget,
    place: Place,
  ): Promise<TextOutcome> {
    const { limits } = budget;
    try {
      const request = { text, limits, signal: stopping.signal, ...(mode === undefined ? {} : { mode }) };
      return outcomeOf(text, await compilePolicy(request, paths), budget);
    } catch (error) {
      if (stopping.signal.aborted) return BUSY;
      return { kind: 'unavailable', message: error instanceof Error ? error.message : String(error) };
    } finally {
      place.release();
    }
  }

  return {
    async try({ texts, mode }, budget, signal) {
      const errors: TextFinding[] = [];
      let unfinished: 'slow' | 'busy' | undefined;
      for (const { field, text } of texts) {
        const outcome = await tryText(text, mode, budget, signal);
        switch (outcome.kind) {
          case 'passed':
            break;
          case 'refused':
            errors.push(objectFinding(outcome.rule, { ...outcome.fault, field }));
            break;
          case 'slow':
          case 'busy':
            unfinished = unfinished === 'busy' ? unfinished : outcome.kind;
            break;
          case 'unavailable':
            return { kind: 'unavailable', message: outcome.message };
        }
      }
      if (errors.length > 0) return { kind: 'refused', errors };
      return unfinished === undefined ? { kind: 'passed' } : { kind: 'unfinished', why: unfinished };
    },
    async stop() {
      stopping.abort();
      await Promise.all(running.values());
    },
  };
}

type Known =
  | { kind: 'passed' }
  | { kind: 'refused'; rule: ObjectRuleId; fault: Fault }
  /** More than so many seconds. */
  | { kind: 'slow'; cpuSeconds: number };

type TextOutcome = Known | { kind: 'busy' } | { kind: 'unavailable'; message: string };

type Fault = Pick<TextFinding, 'message' | 'remedy' | 'position'>;

const BUSY: TextOutcome = { kind: 'busy' };

function outcomeOf(text: string, result: CompileResult, budget: TrialBudget): TextOutcome {
  if (result.kind === 'compiled') {
    const fault = compiledNamesFault(text, result.binary);
    return fault === undefined ? { kind: 'passed' } : { kind: 'refused', rule: 'compiled-names', fault };
  }
  const { reason, message, line } = result;
  if (reason === 'ParserUnavailable') return { kind: 'unavailable', message };
  if (reason === 'CompileTimeout' && !budget.final) return { kind: 'slow', cpuSeconds: budget.limits.cpuSeconds };
  const { rule, remedy } = FAULTS[reason];
  const position = line === undefined ? {} : { position: { line, column: 1 } };
  return { kind: 'refused', rule, fault: { message, remedy, ...position } };
}

const SIMPLIFY = "simplify the rules with many alternations and '**', or split the profile";

const FAULTS: Record<Exclude<CompileFailureReason, 'ParserUnavailable'>, { rule: ObjectRuleId; remedy: string }> = {
  CompileFailed: {
    rule: 'compile-failed',
    remedy: 'correct the policy there (man 5 apparmor.d describes the language)',
  },
  CompileTimeout: { rule: 'compile-timeout', remedy: SIMPLIFY },
  CompileOutOfMemory: { rule: 'compile-out-of-memory', remedy: SIMPLIFY },
  CompileCrashed: {
    rule: 'compile-crashed',
    remedy: 'leave rules out until it compiles, and report the rule that does it',
  },
  CompileOutputTooLarge: { rule: 'compile-output-too-large', remedy: SIMPLIFY },
  NoProfile: { rule: 'compiled-names', remedy: "add 'profile NAME { … }'" },
};

/** The value of the first call that succeeds; before that, what is wrong. */
function once(ask: () => Promise<string>): () => Promise<string | { problem: string }> {
  let value: string | undefined;
  return async () => {
    try {
      value ??= await ask();
      return value;
    } catch (error) {
      return { problem: error instanceof Error ? error.message : String(error) };
    }
  };
}

async function untilAborted(result: Promise<TextOutcome>, signal: AbortSignal): Promise<TextOutcome> {
  try {
    return await abortable(result, signal);
  } catch (error) {
    if (signal.aborted) return BUSY;
    throw error;
  }
}
