import type { PodContainer } from '../../admission/pods/pod-subject.ts';
import {
  APPARMOR_ANNOTATION,
  type ContainerDecision,
  type ExemptReason,
  type PodDecision,
  type PodRule,
} from '../../admission/pods/rule.ts';
import { PENDING_REASON, type PendingReason } from '../../api/reasons.ts';
import type { NodeView } from '../nodes/node-view.ts';
import type { RowView } from '../nodes/row-view.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import { isRemovable } from '../unload/plan-unload.ts';
import type { PodShape, PodView } from './pod-view.ts';

/** How a pod that an object's rule selects runs. Messages are about the pod, without a capital and a full stop. */
export type PodOutcome =
  /** Every container that the object confines runs under its profile, or can only start under it. */
  | { kind: 'confined' }
  /** The same, in a mode that refuses nothing. */
  | { kind: 'complaining' }
  /** Some container that should be confined is not, or cannot be shown to be. */
  | {
      kind: 'pendingRestart';
      reason: PendingReason;
      message: string;
      /** Something is known to run in that container without it now. */
      runsWithout: boolean;
    }
  | { kind: 'skipped'; reason: SkippedReason; message: string };

/** Why a pod is left as it is. */
export type SkippedReason =
  | ExemptReason
  | 'OwnAnnotation'
  /** CRI-O gives privileged containers no profile. */
  | 'PrivilegedOnCrio'
  /** Another object decides for all of its containers. */
  | 'OtherObject'
  /** It has none of the containers that `spec.pods.containers` names. */
  | 'NoSuchContainer';

/** What creating the pod anew puts right; the rest is up to its node. */
export const RESTART_HELPS: ReadonlySet<PendingReason> = new Set([
  PENDING_REASON.confinementLost,
  PENDING_REASON.noProfile,
  PENDING_REASON.partlyConfined,
  PENDING_REASON.earlierRule,
]);

/** What is known of the pod's node. */
export interface PodHost {
  node: NodeView | undefined;
  row: RowView | undefined;
}

/** A pod that the rule of the object selects. */
export interface OutcomeInput {
  pod: PodView;
  /** Of all rules, for the pod's shape. */
  decision: PodDecision;
  objectUid: string;
  host: PodHost;
  /** The object's revisions, that in force and earlier ones: nodes may hold any of them. */
  revisions: readonly RevisionView[];
}

/**
 * How the pod runs, as far as the object decides for it. Of its containers the worst counts: one that should be confined and
 * is not, one that keeps its own profile, one in complain mode.
 */
export function podOutcome(input: OutcomeInput): PodOutcome {
  const { decision } = input;
  if (decision.kind === 'unmatched') return NO_SUCH_CONTAINER;
  if (decision.kind === 'exempt') return { kind: 'skipped', reason: decision.reason, message: decision.message };
  return ofContainers(decision.containers, input);
}

type Pending = Extract<PodOutcome, { kind: 'pendingRestart' }>;
type Skipped = Extract<PodOutcome, { kind: 'skipped' }>;

const NO_SUCH_CONTAINER: Skipped = {
  kind: 'skipped',
  reason: 'NoSuchContainer',
  message: 'it has none of the containers that spec.pods.containers names',
};

function ofContainers(decisions: readonly ContainerDecision[], input: OutcomeInput): PodOutcome {
  const { pod, objectUid } = input;
  let worst: PodOutcome | undefined;
  let named = false;
  let winner: string | undefined;
  for (const [index, { container, outcome, lost }] of decisions.entries()) {
    if (outcome.kind === 'not-named') continue;
    if (outcome.rule.object.uid !== objectUid) {
      if (lost.some(({ object }) => object.uid === objectUid)) winner ??= outcome.rule.object.name;
      continue;
    }
    const its = ofContainer(container, index, outcome, input);
    named ||= its.kind === 'pendingRestart' ? its.reason !== PENDING_REASON.noProfile : its.kind !== 'skipped';
    if (worst === undefined || badness(its) > badness(worst)) worst = its;
  }
  if (worst?.kind === 'pendingRestart') return withAdvice(worst, named, pod.shape);
  if (worst !== undefined) return worst;
  return winner === undefined ? NO_SUCH_CONTAINER : lostTo(winner);
}

function lostTo(winner: string): Skipped {
  const message = `AppArmorProfile ${winner} decides for it, by its priority or because it is older`;
  return { kind: 'skipped', reason: 'OtherObject', message };
}

/** The worst first: what was confined and is not, what never was, what is confined otherwise, what nobody knows. */
const PENDING_BADNESS: Record<PendingReason, number> = {
  [PENDING_REASON.confinementLost]: 9,
  [PENDING_REASON.partlyConfined]: 8,
  [PENDING_REASON.noProfile]: 7,
  [PENDING_REASON.earlierRule]: 6,
  [PENDING_REASON.nodeDoesNotHold]: 5,
};

const BADNESS = { skipped: 3, complaining: 2, confined: 1 } as const;

function badness(outcome: PodOutcome): number {
  return outcome.kind === 'pendingRestart' ? PENDING_BADNESS[outcome.reason] : BADNESS[outcome.kind];
}

type DecidedOutcome = Exclude<ContainerDecision['outcome'], { kind: 'not-named' }>;

function ofContainer(
  container: PodContainer,
  index: number,
  outcome: DecidedOutcome,
  { pod, host, revisions }: OutcomeInput,
): PodOutcome {
  const { shape } = pod;
  const since = pod.runningSince[index] ?? 0;
  if (host.node?.crio === true && shape.privileged.includes(container.name)) {
    const message = `container ${container.name} is privileged, and CRI-O gives such containers no profile`;
    return { kind: 'skipped', reason: 'PrivilegedOnCrio', message };
  }
  const { rule } = outcome;
  switch (outcome.kind) {
    case 'skipped':
      return earlierRule(container, rule, shape, since) ?? keepsItsOwn(container, outcome);
    case 'confine':
      // Without a field the annotation counts, which the rule lets stand only if it names the same profile.
      if (Object.hasOwn(shape.subject.annotations, APPARMOR_ANNOTATION + container.name)) break;
      return pending('noProfile', `container ${container.name} has no profile instead of ${rule.profile}`, since);
    case 'confined':
      break;
  }
  return onHost(container, rule, since, pod.nodeName, host, revisions);
}

function keepsItsOwn(
  container: PodContainer,
  { reason, message }: Extract<DecidedOutcome, { kind: 'skipped' }>,
): Skipped {
  return { kind: 'skipped', reason, message: `container ${container.name} keeps its own profile: ${message}` };
}

/** What we gave it is not its author's choice. The note can be forged: then its author is told to restart the pod. */
function earlierRule(container: PodContainer, rule: PodRule, shape: PodShape, since: number): Pending | undefined {
  const object = Object.hasOwn(shape.givenBy, container.name) ? shape.givenBy[container.name] : undefined;
  if (object === undefined || container.profile?.type !== 'Localhost') return undefined;
  const named = container.profile.localhostProfile ?? '';
  const text = `container ${container.name} has the profile ${named} from an earlier rule of AppArmorProfile ${object} instead of ${rule.profile}`;
  return pending('earlierRule', text, since);
}

/** Of a container that names the rule's profile. */
function onHost(
  container: PodContainer,
  rule: PodRule,
  since: number,
  nodeName: string,
  { node, row }: PodHost,
  revisions: readonly RevisionView[],
): PodOutcome {
  const { profile } = rule;
  const notHeld = (why: string): Pending => pending('nodeDoesNotHold', `node ${nodeName} ${why}`, since);
  if (row === undefined || row.bootID === '' || row.bootID !== node?.bootID) {
    // Which it may do in a moment.
    return { ...notHeld('has not reported since it booted'), runsWithout: false };
  }
  if (row.enforcing !== true) return notHeld('does not enforce AppArmor');
  const hash = heldRevision(row, profile);
  if (hash === undefined) {
    const problem = row.problems.find(({ object, state }) => object === rule.object.name && state !== 'Retained');
    return notHeld(`does not hold the profile ${profile}${problem === undefined ? '' : `: ${problem.reason}`}`);
  }
  const revision = revisions.find((one) => one.hash === hash);
  if (revision === undefined)
    return notHeld(`holds a profile ${profile} that is none of AppArmorProfile ${rule.object.name}`);
  const loadedSince = row.loadedSince[profile];
  // The kubelet gives whole seconds: what was started in the very second may have been there before.
  if (since > 0 && loadedSince !== undefined && since <= Math.floor(Date.parse(loadedSince) / 1000)) {
    const text = `container ${container.name} runs unconfined: the profile ${profile} was removed from the kernel of node ${nodeName}, and put back at ${loadedSince}`;
    return pending('confinementLost', text, since);
  }
  return { kind: revision.unenforced.includes(profile) ? 'complaining' : 'confined' };
}

/** A profile that nobody wants any more confines what runs under it, as long as the kernel has ours. */
function heldRevision({ loaded, problems }: RowView, profile: string): string | undefined {
  if (Object.hasOwn(loaded, profile)) return loaded[profile];
  return problems.find((problem) => problem.profile === profile && isRemovable(problem))?.revision;
}

function pending(reason: keyof typeof PENDING_REASON, message: string, since: number): Pending {
  return { kind: 'pendingRestart', reason: PENDING_REASON[reason], message, runsWithout: since > 0 };
}

/** `named`: some other container of it has the profile. */
function withAdvice(worst: Pending, named: boolean, { owner }: PodShape): Pending {
  const partly = named && worst.reason === PENDING_REASON.noProfile;
  const reason = partly ? PENDING_REASON.partlyConfined : worst.reason;
  const restart = owner === undefined ? 'delete it and create it anew' : `restart it (${owner.kind} ${owner.name})`;
  return { ...worst, reason, message: `${worst.message}; ${ADVICE[reason](restart)}` };
}

const ADVICE: Record<PendingReason, (restart: string) => string> = {
  [PENDING_REASON.confinementLost]: (restart) => restart,
  [PENDING_REASON.noProfile]: (restart) => `the pod is older than the rule, or came to match it later: ${restart}`,
  [PENDING_REASON.partlyConfined]: (restart) =>
    `other containers have it: another webhook added this one afterwards, or the rule has changed: ${restart}`,
  [PENDING_REASON.earlierRule]: (restart) => restart,
  [PENDING_REASON.nodeDoesNotHold]: () => 'see the node in `kubectl get apparmornodes`',
};
