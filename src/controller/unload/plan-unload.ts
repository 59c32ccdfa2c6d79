import { timestamp } from '../../api/conditions.ts';
import type { AppArmorNodeSpecUnload, AppArmorNodeStatusProblem } from '../../api/generated/index.ts';
import type { AgentState } from '../nodes/agent-presence.ts';
import type { NodeView } from '../nodes/node-view.ts';
import type { RowView } from '../nodes/row-view.ts';

export interface UnloadInput {
  node: NodeView | undefined;
  row: RowView;
  agent: AgentState;
  /** Whether the cluster is in a state in which anything may be removed at all; `why` is for people. */
  cluster: { kind: 'sound' } | { kind: 'unsound'; why: string };
  /** Whether objects come or go just now: then nothing new is granted, and what was granted before stays so. */
  settling: boolean;
  /** Keys of the pods on the node that have not ended and name the profile. */
  podsNaming(profile: string): readonly string[];
  /** Why a living object wants the profile on the node; undefined if none does. */
  wantedBy(problem: AppArmorNodeStatusProblem): string | undefined;
  /** What `spec.unload` holds. */
  stored: readonly AppArmorNodeSpecUnload[];
  /** Milliseconds since the epoch, on the wall clock: the agent compares with its own. */
  now: number;
}

export interface UnloadPlan {
  /** The whole of `spec.unload` as it should be, sorted. */
  grants: readonly AppArmorNodeSpecUnload[];
  /** Whether that differs from what is stored. */
  write: boolean;
  /** What the agent could remove and may not, with the first reason that was found. */
  withheld: readonly { profile: string; why: string }[];
  /** When a grant has to be renewed. */
  renewInMs?: number;
}

/** Long enough for an agent that looks every few seconds, short enough that a controller that died grants nothing for long. */
const GRANT_MS = 5 * 60_000;
const RENEW_BELOW_MS = GRANT_MS / 2;

/**
 * Which profiles the node's agent may remove, if no process uses them when it looks. Every condition has to hold; in doubt
 * nothing is granted, and a grant whose conditions ended is withdrawn. Pure: while nothing changes nothing is written, but
 * the renewal of a grant that is not used, because processes still run under the profile.
 */
export function planUnload(input: UnloadInput): UnloadPlan {
  const { stored, now } = input;
  const nodeFault = faultOfNode(input);
  const withheld: { profile: string; why: string }[] = [];
  const grants = new Map<string, AppArmorNodeSpecUnload>();
  for (const problem of input.row.problems.filter(isRemovable)) {
    const { profile, revision } = problem;
    const why = nodeFault ?? faultOfProfile(problem, input) ?? faultOfTime(problem, input);
    if (why === undefined)
      grants.set(keyOfGrant(problem), { profile, revision, expires: expiry(problem, stored, now) });
    else withheld.push({ profile, why });
  }
  const sorted = [...grants].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, grant]) => grant);
  return {
    grants: sorted,
    write: !sameGrants(sorted, stored),
    withheld,
    ...(sorted.length === 0 ? {} : { renewInMs: Math.min(...sorted.map(({ expires }) => remaining(expires, now))) - RENEW_BELOW_MS }), // prettier-ignore
  };
}

/** Whether the row asks for a grant, or has one that may have to go. */
export function concernsUnload(row: RowView): boolean {
  return row.unload.length > 0 || row.problems.some(isRemovable);
}

/** Retained, and created by us: only these may ever be removed. What was adopted or taken over has another reason. */
export function isRemovable({ state, reason }: AppArmorNodeStatusProblem): boolean {
  return state === 'Retained' && (reason === 'NoLongerWanted' || reason === 'InUse');
}

/** Whether two lists grant the same until the same times, in whatever order. */
export function sameGrants(left: readonly AppArmorNodeSpecUnload[], right: readonly AppArmorNodeSpecUnload[]): boolean {
  const expires = new Map(right.map((grant) => [keyOfGrant(grant), grant.expires]));
  return left.length === right.length && left.every((grant) => expires.get(keyOfGrant(grant)) === grant.expires);
}

function faultOfNode({ node, row, agent, cluster }: UnloadInput): string | undefined {
  if (cluster.kind === 'unsound') return cluster.why;
  if (node === undefined || row.deleting) return 'the node is gone';
  if (!node.ready) return 'the node is not Ready';
  if (row.bootID === '' || row.bootID !== node.bootID) return 'the row is of an earlier boot';
  if (row.enforcing !== true) return 'the node does not enforce AppArmor';
  if (agent.kind !== 'ready') return 'the agent is not Ready';
  return undefined;
}

function faultOfProfile(problem: AppArmorNodeStatusProblem, input: UnloadInput): string | undefined {
  if (problem.revision === '') return 'its revision is not known';
  const [pod, ...others] = input.podsNaming(problem.profile);
  if (pod !== undefined) return `pod ${pod} names it${others.length === 0 ? '' : `, and ${others.length} more`}`;
  return input.wantedBy(problem);
}

/** All that vanish together should be seen to have, before the first of them is taken for the only one. */
function faultOfTime(problem: AppArmorNodeStatusProblem, { settling, stored, now }: UnloadInput): string | undefined {
  const key = keyOfGrant(problem);
  const isGranted = stored.some((grant) => keyOfGrant(grant) === key && remaining(grant.expires, now) > 0);
  return settling && !isGranted ? 'AppArmorProfiles came or went seconds ago, and others may follow' : undefined;
}

function expiry(problem: AppArmorNodeStatusProblem, stored: readonly AppArmorNodeSpecUnload[], now: number): string {
  const key = keyOfGrant(problem);
  const before = stored.find((grant) => keyOfGrant(grant) === key);
  if (before !== undefined) {
    const left = remaining(before.expires, now);
    if (left > RENEW_BELOW_MS && left <= GRANT_MS) return before.expires;
  }
  return timestamp(new Date(now + GRANT_MS));
}

function remaining(expires: string, now: number): number {
  return Date.parse(expires) - now;
}

function keyOfGrant({ profile, revision }: { profile: string; revision: string }): string {
  return JSON.stringify([profile, revision]);
}
