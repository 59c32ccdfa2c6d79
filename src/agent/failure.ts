import type { KernelWriteError } from '../kernel/write-error.ts';
import type { CompileResult } from '../policy/compile.ts';

/** Why a policy is not loaded, in the words of AppArmorNode's problems. */
export interface Failure {
  reason: FailureReason;
  /** What happened and what to do next. */
  message: string;
  /** In the user's text. */
  line?: number;
  /** Clock milliseconds from when it is worth trying again; absent: only when something changes. */
  retryAt?: number;
}

type CompileReason = Extract<CompileResult, { kind: 'failed' }>['reason'];

export type FailureReason =
  | CompileReason
  /** The compiled policy defines other profiles than its text. */
  | 'NameMismatch'
  /** The compiled policy has another mode than `spec.mode`. */
  | 'ModeMismatch'
  /** The text breaks a rule of the review; only a revision that did not come from the controller can. */
  | 'PolicyRefused'
  /** The ControllerRevision is damaged or was not written by the controller. */
  | 'RevisionInvalid'
  | 'KernelRefused'
  | 'KernelOutOfMemory'
  | 'KernelRejectedPolicy'
  | 'KernelError'
  /** The kernel took the policy and afterwards showed something else. */
  | 'VerifyFailed';

/** Tried again by itself: the node, not the policy, is at fault. */
const PASSING: ReadonlySet<FailureReason> = new Set(['ParserUnavailable']);

const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 300_000;

/** Milliseconds until try `attempts` + 1: 5 s, doubled each time up to 5 min. */
export function retryDelayMs(attempts: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts, 10));
}

export function compileFailure(
  result: Extract<CompileResult, { kind: 'failed' }>,
  attempts: number,
  now: number,
): Failure {
  return {
    reason: result.reason,
    message: result.message,
    ...(result.line === undefined ? {} : { line: result.line }),
    ...(PASSING.has(result.reason) ? { retryAt: now + retryDelayMs(attempts) } : {}),
  };
}

export function kernelFailure(error: KernelWriteError, attempts: number, now: number): Failure {
  return {
    reason: kernelReason(error.code),
    message: `${error.message}; ${error.remedy}`,
    retryAt: now + retryDelayMs(attempts),
  };
}

function kernelReason(code: string): FailureReason {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'KernelRefused';
    case 'ENOMEM':
      return 'KernelOutOfMemory';
    case 'EPROTO':
    case 'EPROTONOSUPPORT':
    case 'EBADMSG':
      return 'KernelRejectedPolicy';
    default:
      return 'KernelError';
  }
}
