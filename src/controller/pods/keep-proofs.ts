import { proveInForce } from '../../admission/pods/probe.ts';
import type { RuleBook, RuleGroup } from '../../admission/pods/rule-book.ts';
import type { PodRule } from '../../admission/pods/rule.ts';
import type { Clock } from '../../kube/clock.ts';
import type { Transport } from '../../kube/transport.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { RuleState } from './rule-state.ts';

/** Proves rules once after each change of them, and again when their configuration was written. */
export interface ProofsKeeper {
  /** The key is the id of a group of rules. */
  keep(groupId: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
  state(rule: PodRule): RuleState;
  /** The group's entry may be another one now: `keep` is to prove it again. Until then the last proof stands. */
  doubt(groupId: string): void;
}

export interface ProofParts {
  book: Pick<RuleBook, 'group' | 'groupOf'>;
  transport: Pick<Transport, 'request'>;
  clock: Pick<Clock, 'now'>;
  /** `state` of some of the group's rules says something else now. */
  onState(group: RuleGroup): void;
}

/** Of one group. */
interface GroupProof {
  /** The last version that was proved; undefined: none, or one that is no longer in force. */
  version?: string;
  /** Why the present version is not in force. */
  problem?: string;
  doubted: boolean;
  /** `clock.now()` since when `problem` has been there. */
  sinceMs?: number;
}

/** Measured: 50 ms to 2 s on a busy machine from the configuration's write until the API server calls. */
const SOON_MS = 100;
const LATER_MS = 5000;
const SOON_FOR_MS = 10_000;

export function createProofsKeeper(parts: ProofParts): ProofsKeeper {
  const { book, clock, transport } = parts;
  const proofs = new Map<string, GroupProof>();
  /** By object uid: `since` of the rule that was in a proved version. Another object's change leaves it in force. */
  const proved = new Map<string, number>();

  function failed(group: RuleGroup, before: GroupProof | undefined, problem: string): ReconcileResult {
    // The version that was in force is no longer: somebody has changed the entry.
    const lost = before?.version === group.version;
    if (lost) group.rules.forEach(({ object }) => proved.delete(object.uid));
    const sinceMs = before?.sinceMs ?? clock.now();
    const version = lost ? undefined : before?.version;
    proofs.set(group.id, { problem, doubted: false, sinceMs, ...(version === undefined ? {} : { version }) });
    if (lost || before?.problem !== problem) parts.onState(group);
    return { requeueAfterMs: clock.now() - sinceMs < SOON_FOR_MS ? SOON_MS : LATER_MS };
  }

  return {
    async keep(groupId, signal) {
      const group = book.group(groupId);
      const before = proofs.get(groupId);
      if (group === undefined) {
        proofs.delete(groupId);
        return undefined;
      }
      if (before?.version === group.version && !before.doubted) return undefined;
      const proof = await proveInForce(group, transport, signal);
      if (proof.kind === 'not-in-force') return failed(group, before, proof.message);
      proofs.set(groupId, { version: group.version, doubted: false });
      const news = group.rules.filter(({ object, since }) => proved.get(object.uid) !== since);
      for (const { object, since } of news) proved.set(object.uid, since);
      if (news.length > 0) parts.onState(group);
      return undefined;
    },
    state(rule) {
      if (proved.get(rule.object.uid) === rule.since) return { kind: 'in-force' };
      const group = book.groupOf(rule.object.uid);
      const problem = group === undefined ? undefined : proofs.get(group.id)?.problem;
      return problem === undefined ? { kind: 'unproved' } : { kind: 'not-yet', message: problem };
    },
    doubt(groupId) {
      const proof = proofs.get(groupId);
      if (proof !== undefined) proof.doubted = true;
    },
  };
}
