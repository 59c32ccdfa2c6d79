import type { AppArmorProfileStatus, AppArmorProfileStatusFailure } from '../../api/generated/index.ts';
import { shorten, transition } from '../../api/conditions.ts';
import { READY_REASON } from '../../api/reasons.ts';
import type { ProfileView, ViewedVerdict } from '../profiles/profile-view.ts';
import { findingText } from '../profiles/verdict.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import { countNodes, type NodeCount } from './count-nodes.ts';
import type { NodeFacts } from './node-outcome.ts';
import { readiness } from './readiness.ts';

export interface SummaryInput {
  /** Its `status` is the one that is stored now. */
  profile: ProfileView;
  /** The revision that nodes should hold; undefined while none was ever published. */
  inForce: RevisionView | undefined;
  nodes: Iterable<NodeFacts>;
  /** Why the accepted revision could not be published at the last try. */
  publishProblem?: string;
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
  const failures = [...refusals(profile.verdict), ...nodeFailures(count)].slice(0, MOST_FAILURES);
  const profiles = inForce?.profiles ?? (profile.verdict.kind === 'accepted' ? profile.verdict.profiles : []);
  return {
    observedGeneration: profile.generation,
    ...(inForce === undefined ? {} : { revision: inForce.hash, mode: inForce.mode }),
    conditions: transition(
      profile.status?.conditions ?? [],
      readiness({ ...input, count }),
      profile.generation,
      input.now,
    ),
    ...(profiles.length === 0 ? {} : { profiles: [...profiles] }),
    nodes: counts,
    nodesLoaded: `${counts.loaded}/${able}`,
    ...(failures.length === 0 ? {} : { failures }),
  };
}

/** In full, where the conditions name only the first of them. */
function refusals(verdict: ViewedVerdict): AppArmorProfileStatusFailure[] {
  if (verdict.kind !== 'refused') return [];
  return verdict.errors.map((error) => ({
    reason: READY_REASON.policyRefused,
    message: shorten(findingText(error), LONGEST_FAILURE),
    ...(error.position === undefined ? {} : { line: error.position.line }),
  }));
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
