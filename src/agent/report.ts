import type {
  AppArmorNodeStatus,
  AppArmorNodeStatusDrift,
  AppArmorNodeStatusProblem,
  AppArmorNodeStatusWarning,
} from '../api/generated/apparmornode.ts';
import type { EnforcingState, KernelProfile } from '../kernel/apparmor.ts';
import { clip } from './clip.ts';
import type { Failure } from './failure.ts';
import { viewKernel } from './kernel-view.ts';
import { rootOf } from '../kernel/profile-name.ts';
import type { Ledger } from './ledger.ts';
import type { ConflictOwner, Plan, PolicyPlan } from './plan.ts';
import type { WantedPolicy } from './prepared-revision.ts';
import { retainedProblem } from './retained-problem.ts';
import type { RevisionHead } from './revision-content.ts';

export interface ReportInput {
  bootID: string;
  /** Kernel release; absent if it could not be read. */
  kernelRelease?: string;
  parser?: string;
  state: EnforcingState;
  /** What is wrong with the agent itself on this node, such as an unusable state folder. */
  trouble?: { reason: string; message: string };
  plan: Plan;
  kernel: readonly KernelProfile[];
  ledger: Ledger;
  /** Revisions that cannot be used, with why. */
  invalid: readonly { head: RevisionHead; message: string }[];
}

/** The status of this node's AppArmorNode. Equal inputs give equal bytes: rows are sorted. */
export function nodeStatus(input: ReportInput): AppArmorNodeStatus {
  const { state, kernelRelease, parser } = input;
  const whole = {
    bootID: input.bootID,
    enforcing: state.enforcing,
    ...(kernelRelease === undefined ? {} : { kernel: kernelRelease }),
    ...(parser === undefined ? {} : { parser }),
  };
  if (!state.enforcing) {
    return { ...whole, reason: state.reason, message: state.message, loadedCount: 0, problemCount: 0 };
  }
  const { loaded, loadedSince } = loadedRows(input);
  const problems = problemRows(input);
  const drift = driftRows(input);
  const warnings = warningRows(input, loaded);
  return {
    ...whole,
    ...input.trouble,
    loaded: Object.fromEntries(loaded),
    loadedCount: loaded.length,
    problems,
    problemCount: problems.length,
    ...(loadedSince.length === 0 ? {} : { loadedSince: Object.fromEntries(loadedSince) }),
    ...(drift.length === 0 ? {} : { drift }),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
}

/** What the compiler said of the policies that are loaded, one row for each. */
function warningRows({ ledger }: ReportInput, loaded: readonly Entry[]): AppArmorNodeStatusWarning[] {
  const rows: AppArmorNodeStatusWarning[] = [];
  const told = new Set<string>();
  for (const [profile, revision] of loaded) {
    const row = ledger.rows.get(profile);
    const load = ledger.loads.get(row?.loaded?.load ?? '');
    if (row === undefined || load?.warning === undefined || told.has(load.id)) continue;
    told.add(load.id);
    rows.push({ profile, object: ledger.objects.get(row.object)?.name ?? '', revision, ...load.warning });
  }
  return rows.slice(0, MOST_ROWS);
}

/** As many as the CRD takes, of drift and of warnings. */
const MOST_ROWS = 16;

/** The last correction per profile in this boot, the newest first. */
function driftRows({ ledger, bootID }: ReportInput): AppArmorNodeStatusDrift[] {
  const rows: AppArmorNodeStatusDrift[] = [];
  for (const [profile, { object, loaded, corrected }] of ledger.rows) {
    if (corrected === undefined || loaded?.bootID !== bootID) continue;
    rows.push({ profile, object: ledger.objects.get(object)?.name ?? '', ...corrected });
  }
  return rows.sort((a, b) => compare(b.time, a.time) || compare(a.profile, b.profile)).slice(0, MOST_ROWS);
}

type Entry = [name: string, value: string];

/** What the ledger says is loaded and the kernel shows to be so, without what is retained. */
function loadedRows({ plan, kernel, ledger, bootID }: ReportInput): { loaded: Entry[]; loadedSince: Entry[] } {
  const view = viewKernel(kernel, ledger, bootID);
  const retained = new Set(plan.retained.map(({ profile }) => profile));
  const deviating = new Map<string, ReadonlySet<string>>();
  for (const load of ledger.loads.values()) {
    deviating.set(load.id, new Set(view.deviations(load).map(({ profile }) => rootOf(profile))));
  }
  const loaded: Entry[] = [];
  const loadedSince: Entry[] = [];
  for (const [name, row] of [...ledger.rows].sort(byFirst)) {
    if (row.loaded?.bootID !== bootID || retained.has(name)) continue;
    const load = ledger.loads.get(row.loaded.load);
    if (load === undefined || deviating.get(load.id)?.has(name) === true) continue;
    loaded.push([name, load.revision]);
    if (row.loadedSince !== undefined) loadedSince.push([name, row.loadedSince]);
  }
  return { loaded, loadedSince };
}

function problemRows({ plan, invalid }: ReportInput): AppArmorNodeStatusProblem[] {
  const rows = [
    ...plan.policies.map(policyProblem).filter((row) => row !== undefined),
    ...plan.retained.map((row) => retainedProblem(row, plan.waiting)),
    ...invalid.map(({ head, message }) => ({
      profile: head.object,
      object: head.object,
      revision: head.hash,
      state: 'Failed' as const,
      reason: 'RevisionInvalid',
      message: clip(message),
    })),
  ];
  return rows.sort(
    (a, b) => compare(a.object, b.object) || compare(a.profile, b.profile) || compare(a.reason, b.reason),
  );
}

/** One row per policy, as its profiles are loaded together or not at all. */
function policyProblem({ policy, step, fallback }: PolicyPlan): AppArmorNodeStatusProblem | undefined {
  switch (step.kind) {
    case 'failed':
      return failedProblem(policy, step.failure, fallback?.kind === 'held' ? fallback.load.revision : undefined);
    case 'conflict':
      return {
        ...rowOf(policy),
        profile: step.profile,
        state: 'Conflict',
        reason: step.owner.kind === 'object' ? 'OwnedByOtherObject' : 'LoadedBySomethingElse',
        message: clip(conflictMessage(policy, step.profile, step.owner)),
      };
    case 'keep':
    case 'record':
    case 'load':
    case 'compile':
    default:
      return undefined;
  }
}

function failedProblem(
  policy: WantedPolicy,
  failure: Failure,
  heldRevision: string | undefined,
): AppArmorNodeStatusProblem {
  const held = heldRevision === undefined ? '' : ` (revision ${heldRevision} stays loaded)`;
  return {
    ...rowOf(policy),
    state: 'Failed',
    reason: failure.reason,
    message: clip(failure.message, 256 - Buffer.byteLength(held)) + held,
    ...(failure.line === undefined ? {} : { line: failure.line }),
  };
}

function conflictMessage(policy: WantedPolicy, profile: string, owner: ConflictOwner): string {
  if (owner.kind === 'object') {
    return `the AppArmorProfile ${owner.name} owns the profile name ${profile}: rename it in ${policy.object.name}`;
  }
  return `something other than this operator loaded a different profile ${profile} on this node: rename yours, unload it there, or set conflictPolicy: Replace`;
}

function rowOf({ object, revision, profiles }: WantedPolicy): { profile: string; object: string; revision: string } {
  return { profile: profiles[0] ?? object.name, object: object.name, revision };
}

function byFirst(left: readonly [string, unknown], right: readonly [string, unknown]): number {
  return compare(left[0], right[0]);
}

/** By code unit, so that all nodes sort alike whatever their locale. */
function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
