import { REVIEW, type TrialCompiler, type TrialOutcome } from '../../admission/review/trial.ts';
import { objectFinding, type TextFinding } from '../../admission/review/verdict.ts';
import { placed, type JudgedInput } from './judge-input.ts';
import type { CompileInput, CompileReport } from './lint.ts';
import { isOlderParser, OPERATORS_PARSER, unknownToOlderParser } from './old-parser.ts';

export interface InstalledCompiler {
  trial: TrialCompiler;
  /** Of apparmor_parser, as `4.1.0`. */
  version: string;
}

/** Compiles as the review does, within its limits. Rejects when aborted. */
export function compileWith({ trial, version }: InstalledCompiler, signal: AbortSignal): CompileInput {
  return async (judged) => {
    const { texts, mode } = judged;
    const request = mode === undefined ? { texts } : { texts, mode };
    // Patient: any number of inputs may wait for its turn, and no API server does for an answer.
    const outcome = await trial.try(request, { ...REVIEW, urgency: 'patient' }, signal);
    signal.throwIfAborted();
    return compileReport(judged, outcome, version);
  };
}

/** Where nothing is compiled, and why. */
export function compileNothing(why: string): CompileInput {
  return () => Promise.resolve({ compile: 'skipped', compileSkipped: why, findings: [] });
}

/** What the outcome means to the author. Pure. */
export function compileReport(judged: JudgedInput, outcome: TrialOutcome, version: string): CompileReport {
  if (outcome.kind === 'passed') return { compile: 'ok', findings: [] };
  if (outcome.kind === 'unavailable') return skipped(outcome.message);
  if (outcome.kind === 'unfinished') return { compile: 'slow', findings: [placed(judged.input, UNFINISHED)] };
  return isOlderParser(version) ? olderReport(judged, outcome.errors, version) : failed(judged, outcome.errors);
}

function failed({ input }: JudgedInput, errors: readonly TextFinding[]): CompileReport {
  return { compile: 'failed', findings: errors.map((error) => placed(input, error)) };
}

/** An old parser must not call a text wrong that is only newer, and leave its author to wonder. */
function olderReport(judged: JudgedInput, errors: readonly TextFinding[], version: string): CompileReport {
  const unknown = errors.map((error) => unknownIn(judged, error));
  const [word] = unknown;
  if (word !== undefined && !unknown.includes(undefined)) {
    return skipped(`apparmor_parser ${version} does not know '${word}', which the operator's ${OPERATORS_PARSER} does`);
  }
  const older = errors.map((error) => ({
    ...error,
    message: `${error.message} (apparmor_parser ${version})`,
    remedy: `${error.remedy}; the operator has apparmor_parser ${OPERATORS_PARSER}: if the text needs it, give one with --parser`,
  }));
  return failed(judged, older);
}

function unknownIn({ texts }: JudgedInput, { rule, field, message, position }: TextFinding): string | undefined {
  const text = texts.find((each) => each.field === field)?.text;
  if (rule !== 'compile-failed' || text === undefined) return undefined;
  return unknownToOlderParser({ message, line: position?.line, text });
}

function skipped(why: string): CompileReport {
  return { compile: 'skipped', compileSkipped: why, findings: [], note: `not compiled: ${why}` };
}

const UNFINISHED = objectFinding('compile-unfinished', {
  field: 'policy',
  message: `not compiled within the ${REVIEW.limits.wallClockMs / 1000} s of a review; the operator compiles on and publishes it only if it compiles`,
  remedy: "simplify the rules with many alternations and '**', or split the profile",
});
