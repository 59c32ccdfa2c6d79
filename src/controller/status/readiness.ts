import { findCondition, type ConditionType, type WantedCondition } from '../../api/conditions.ts';
import { READY_REASON, type ReadyReason } from '../../api/reasons.ts';
import type { AppArmorProfileStatusMode } from '../../api/generated/index.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import { findingText, type TextFinding } from '../../admission/review/verdict.ts';
import type { RuleState } from '../pods/rule-state.ts';
import type { ReviewState } from '../revisions/review-state.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import type { NodeCount } from './count-nodes.ts';

export interface ReadinessInput {
  profile: ProfileView;
  inForce: RevisionView | undefined;
  count: NodeCount;
  /** Of the revision that is to be published. */
  review?: ReviewState;
  publishProblem?: string;
  /** Of spec.pods; absent: there is no rule. */
  podRule?: RuleState;
}

/**
 * The conditions of an object as kstatus reads them: Ready always; Reconciling while the operator is at work on it; Stalled
 * where no retry can help; never both. Neither, with Ready=False: nothing is wrong with the object, nodes are missing.
 */
export function readiness(input: ReadinessInput): WantedCondition[] {
  const { status, reason, message, phase } = judgeReadiness(input);
  const type = PHASE_CONDITION[phase];
  return [
    { type: 'Ready', status, reason, message },
    ...(type === undefined ? [] : [{ type, status: 'True', reason, message } as const]),
  ];
}

type Phase = 'settled' | 'working' | 'stalled';

const PHASE_CONDITION = {
  settled: undefined,
  working: 'Reconciling',
  stalled: 'Stalled',
} as const satisfies Record<Phase, ConditionType | undefined>;

interface Readiness {
  status: 'True' | 'False' | 'Unknown';
  reason: ReadyReason;
  message: string;
  phase: Phase;
}

function judgeReadiness(input: ReadinessInput): Readiness {
  const { profile, inForce, count } = input;
  const { verdict } = profile;
  if (verdict.kind === 'refused') return refused(verdict.errors, verdict.more, inForce);
  if (inForce?.hash !== verdict.hash) return notPublished(input, verdict.hash);

  const { counts } = count;
  if (counts.desired === 0) {
    return {
      status: 'False',
      reason: READY_REASON.noMatchingNode,
      message: `no node is selected by nodeSelector ${selectorText(inForce.nodeSelector)}`,
      phase: 'settled',
    };
  }
  if (count.able === 0) {
    return {
      status: 'False',
      reason: READY_REASON.noEnforcingNode,
      message: `no selected node is reachable and enforces AppArmor: ${leftOutText(count)}`,
      phase: 'settled',
    };
  }
  if (counts.failed > 0) {
    return {
      status: 'False',
      reason: READY_REASON.nodesFailed,
      message: `failed on ${counts.failed} of ${nodes(count.able)}, which keep what they had; ${failureText(count, 'failed')}`,
      phase: count.permanent ? 'stalled' : 'working',
    };
  }
  if (counts.conflict > 0) {
    return {
      status: 'False',
      reason: READY_REASON.conflict,
      message: `a name belongs to another owner on ${counts.conflict} of ${nodes(count.able)}; ${failureText(count, 'conflict')}`,
      phase: 'stalled',
    };
  }
  if (counts.pending > 0 && !(counts.loaded > 0 && wasReady(profile, inForce))) {
    return {
      status: 'False',
      reason: READY_REASON.progressing,
      message: `loaded on ${counts.loaded} of ${nodes(count.able)}`,
      phase: 'working',
    };
  }
  return ruleNotInForce(input, inForce) ?? loaded(inForce.mode, count);
}

/** After a change of leader a rule is proved anew; until then Ready stays what it was for this generation. */
function ruleNotInForce({ profile, podRule }: ReadinessInput, inForce: RevisionView): Readiness | undefined {
  if (podRule === undefined || podRule.kind === 'in-force') return undefined;
  if (podRule.kind === 'unproved') {
    if (wasReady(profile, inForce)) return undefined;
    const message = 'loaded; the rule for new pods is being put in force';
    return { status: 'False', reason: READY_REASON.progressing, message, phase: 'working' };
  }
  return {
    status: 'False',
    reason: READY_REASON.podRuleNotInForce,
    message: `loaded, but new pods do not get the profile yet: ${podRule.message}`,
    phase: 'working',
  };
}

/** The first errors in full, each with its line, its rule and what to do. */
function refused(errors: readonly TextFinding[], more: number, inForce: RevisionView | undefined): Readiness {
  const told = errors.slice(0, ERRORS_TOLD);
  const others = errors.length - told.length + more;
  return {
    status: 'False',
    reason: READY_REASON.policyRefused,
    message: [
      ...told.map(findingText),
      ...(others === 0 ? [] : [others === 1 ? '1 more error' : `${others} more errors`]),
      whatStays(inForce),
    ].join('. '),
    phase: 'stalled',
  };
}

const ERRORS_TOLD = 3;

function whatStays(inForce: RevisionView | undefined): string {
  return inForce === undefined ? 'nothing is published' : `revision ${inForce.hash} stays in force`;
}

function notPublished({ publishProblem, review, inForce }: ReadinessInput, hash: string): Readiness {
  const status = inForce === undefined ? 'Unknown' : 'False';
  const progressing = (message: string): Readiness => ({
    status,
    reason: READY_REASON.progressing,
    message,
    phase: 'working',
  });
  switch (review?.kind) {
    case 'refused':
      return refused(review.errors, 0, inForce);
    case 'conflict': {
      const owned = review.owned.map(
        ({ profile, owner }) => `the profile ${profile} belongs to AppArmorProfile ${owner}`,
      );
      return {
        status: 'False',
        reason: READY_REASON.conflict,
        message: `${owned.join(', ')}; rename it in one of the two, or delete one object. ${whatStays(inForce)}`,
        phase: 'stalled',
      };
    }
    case 'unavailable':
      return {
        status,
        reason: READY_REASON.reviewUnavailable,
        message: `revision ${hash} cannot be compiled on trial, which is tried again: ${review.message}. ${whatStays(inForce)}`,
        phase: 'working',
      };
    case 'compiling':
      return progressing(
        review.slow
          ? `revision ${hash} takes long to compile on trial; it is published if that ends within 60 s of CPU`
          : `revision ${hash} is being compiled on trial`,
      );
    case 'passed':
    case undefined:
      break;
  }
  if (publishProblem !== undefined) {
    const message = `revision ${hash} is accepted but could not be stored, and is tried again: ${publishProblem}`;
    return { status, reason: READY_REASON.publishFailed, message, phase: 'working' };
  }
  return progressing(`revision ${hash} is being published`);
}

/** A node that joins, or restarts, is not the object's failure: Ready stays True for the generation that once was. */
function wasReady(profile: ProfileView, inForce: RevisionView): boolean {
  const ready = findCondition(profile.status?.conditions, 'Ready');
  return (
    ready?.status === 'True' &&
    ready.observedGeneration === profile.generation &&
    profile.status?.revision === inForce.hash
  );
}

function loaded(mode: AppArmorProfileStatusMode, count: NodeCount): Readiness {
  const { counts } = count;
  const message = [
    `loaded on ${counts.loaded} of ${nodes(count.able)}`,
    ...(counts.pending === 0 ? [] : [`${counts.pending} joining`]),
    ...(count.leftOut.length === 0 ? [] : [`not counted: ${leftOutText(count)}`]),
    ...(NOT_ENFORCED[mode] === undefined ? [] : [NOT_ENFORCED[mode]]),
  ].join('; ');
  const reason = NOT_ENFORCED[mode] === undefined ? READY_REASON.loaded : READY_REASON.loadedNotEnforcing;
  return { status: 'True', reason, message, phase: 'settled' };
}

/** Said with Ready=True, so that nobody takes what is loaded for what confines. */
const NOT_ENFORCED: Partial<Record<AppArmorProfileStatusMode, string>> = {
  Complain: 'complain mode: what the policy does not allow is logged, not refused',
  Unconfined: 'unconfined mode: nothing is refused',
  User: 'user mode: nothing is refused',
  Mixed: 'the profiles have different modes: some of them refuse nothing',
};

/** The most frequent failure of a kind, with one node as an example and how many others differ. */
function failureText(count: NodeCount, kind: 'failed' | 'conflict'): string {
  const [first, ...others] = count.failures.filter((failure) => failure.kind === kind);
  if (first === undefined) return '';
  const line = first.line === undefined ? '' : `, line ${first.line}`;
  const more = others.length === 0 ? '' : `; ${others.length} more in status.failures`;
  return `${first.example}: ${first.reason}${line}: ${first.message}${more}`;
}

function leftOutText(count: NodeCount): string {
  return count.leftOut.map(({ reason, nodes }) => `${nodes} ${reason}`).join(', ');
}

function selectorText(selector: Readonly<Record<string, string>>): string {
  const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  return labels.length === 0 ? '{} (there is no Linux node)' : labels.join(',');
}

function nodes(count: number): string {
  return count === 1 ? '1 node' : `${count} nodes`;
}
