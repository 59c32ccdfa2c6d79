import type { AppArmorProfileStatus, AppArmorProfileStatusFailure } from '../../api/generated/index.ts';
import { shorten, transition } from '../../api/conditions.ts';
import { CONTAINER_NOT_FOUND, READY_REASON } from '../../api/reasons.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import { findingText, type TextFinding } from '../../admission/review/verdict.ts';
import type { PodCount } from '../pods/count-pods.ts';
import type { RuleState } from '../pods/rule-state.ts';
import type { ReviewState } from '../revisions/review-state.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import { countNodes, type NodeCount } from './count-nodes.ts';
import type { NodeFacts } from './node-outcome.ts';
import { missingText, podsConfined } from './pods-confined.ts';
import { readiness } from './readiness.ts';

export interface SummaryInput {
  /** Its `status` is the one that is stored now. */
  profile: ProfileView;
  /** The revision that nodes should hold; undefined while none was ever published. */
  inForce: RevisionView | undefined;
  nodes: Iterable<NodeFacts>;
  /** Of the accepted revision, while it is not in force. */
  review?: ReviewState;
  /** Why the accepted revision could not be published at the last try. */
  publishProblem?: string;
  /** Of spec.pods; absent: there is no rule. */
  podRule?: RuleState;
  /** The pods that spec.pods selects; absent: there is no rule in force. */
  pods?: PodCount;
  /** What else the condition PodsConfined is to say. */
  podsNote?: string;
  now: Date;
}

const MOST_FAILURES = 10;

/** The CRD sets no limit on a failure's message; ten of them belong into an object that etcd stores at every change. */
const LONGEST_FAILURE = 512;

/**
 * The whole status of an object, from what is known now. Pure: the same input gives the same status, and one that says the
 * same as the stored status equals it.
 */
export function summarize(input: SummaryInput): AppArmorProfileStatus {
  const { profile, inForce } = input;
  const count = countNodes(inForce, input.nodes);
  const { counts, able } = count;
  const failures = [...refusals(input), ...podFailures(input), ...nodeFailures(count)].slice(0, MOST_FAILURES);
  const profiles = inForce?.profiles ?? (profile.verdict.kind === 'accepted' ? profile.verdict.profiles : []);
  return {
    observedGeneration: profile.generation,
    ...(inForce === undefined ? {} : { revision: inForce.hash, mode: inForce.mode }),
    conditions: transition(
      profile.status?.conditions ?? [],
      [
        ...readiness({ ...input, count }),
        ...(input.pods === undefined ? [] : [podsConfined(input.pods, input.podsNote)]),
      ],
      profile.generation,
      input.now,
    ),
    ...(profiles.length === 0 ? {} : { profiles: [...profiles] }),
    nodes: counts,
    nodesLoaded: `${counts.loaded}/${able}`,
    ...(failures.length === 0 ? {} : { failures }),
    ...podCounts(input.pods),
  };
}

function podCounts(pods: PodCount | undefined): Pick<AppArmorProfileStatus, 'pods' | 'podsConfined'> {
  if (pods === undefined) return {};
  const { counts } = pods;
  return { pods: counts, podsConfined: `${counts.confined}/${counts.matched}` };
}

function podFailures({ pods }: SummaryInput): AppArmorProfileStatusFailure[] {
  if (pods === undefined || pods.missingContainers.length === 0) return [];
  return [{ reason: CONTAINER_NOT_FOUND, message: shorten(missingText(pods.missingContainers), LONGEST_FAILURE) }];
}

/** In full, where the conditions name only the first of them. */
function refusals(input: SummaryInput): AppArmorProfileStatusFailure[] {
  return refusingErrors(input).map((error) => ({
    reason: READY_REASON.policyRefused,
    message: shorten(findingText(error), LONGEST_FAILURE),
    ...(error.position === undefined ? {} : { line: error.position.line }),
  }));
}

function refusingErrors({ profile: { verdict }, inForce, review }: SummaryInput): readonly TextFinding[] {
  if (verdict.kind === 'refused') return verdict.errors;
  return inForce?.hash !== verdict.hash && review?.kind === 'refused' ? review.errors : [];
}

function nodeFailures(count: NodeCount): AppArmorProfileStatusFailure[] {
  return count.failures.map(({ reason, message, line, nodes, example }) => ({
    reason,
    message: shorten(message, LONGEST_FAILURE),
    ...(line === undefined ? {} : { line }),
    nodes,
    example,
  }));
}
