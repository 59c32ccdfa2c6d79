import { findCondition, type ConditionType, type WantedCondition } from '../../api/conditions.ts';
import { READY_REASON, type ReadyReason } from '../../api/reasons.ts';
import type { AppArmorProfileStatusMode } from '../../api/generated/index.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import { findingText } from '../profiles/verdict.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import type { NodeCount } from './count-nodes.ts';

export interface ReadinessInput {
  profile: ProfileView;
  inForce: RevisionView | undefined;
  count: NodeCount;
  publishProblem?: string;
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
  if (verdict.kind === 'refused') return refused(verdict, inForce);
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
  return loaded(inForce.mode, count);
}

/** The first errors in full, each with its line, its rule and what to do; a refusal concerns no node, so `failures` has none. */
function refused(verdict: ProfileView['verdict'] & { kind: 'refused' }, inForce: RevisionView | undefined): Readiness {
  const told = verdict.errors.slice(0, ERRORS_TOLD);
  const others = verdict.errors.length - told.length + verdict.more;
  return {
    status: 'False',
    reason: READY_REASON.policyRefused,
    message: [
      ...told.map(findingText),
      ...(others === 0 ? [] : [others === 1 ? '1 more error' : `${others} more errors`]),
      inForce === undefined ? 'nothing is published' : `revision ${inForce.hash} stays in force`,
    ].join('. '),
    phase: 'stalled',
  };
}

const ERRORS_TOLD = 3;

function notPublished({ profile, publishProblem, inForce }: ReadinessInput, hash: string): Readiness {
  const status = inForce === undefined ? 'Unknown' : 'False';
  if (publishProblem !== undefined && profile.verdict.kind === 'accepted') {
    const message = `revision ${hash} is accepted but could not be stored, and is tried again: ${publishProblem}`;
    return { status, reason: READY_REASON.publishFailed, message, phase: 'working' };
  }
  return { status, reason: READY_REASON.progressing, message: `revision ${hash} is being published`, phase: 'working' };
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
