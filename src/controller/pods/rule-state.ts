import { publishedRuleText } from '../../admission/pods/published-rule.ts';
import type { PodRule } from '../../admission/pods/rule.ts';
import type { ProfileView } from '../profiles/profile-view.ts';
import type { RevisionView } from '../revisions/revision-view.ts';

/** Whether a rule is in force. */
export type RuleState =
  /** Proved through the API server in this term of leadership. */
  | { kind: 'in-force' }
  /** Not tried yet in this term: what was true before may still be. */
  | { kind: 'unproved' }
  | { kind: 'not-yet'; message: string };

/** Of spec.pods of an object whose accepted revision is in force; undefined: it has none, and no rule is left of an earlier one. */
export function ruleStateOf(
  profile: ProfileView,
  inForce: RevisionView,
  proved: (rule: PodRule) => RuleState,
): RuleState | undefined {
  const wanted = profile.verdict.kind === 'accepted' ? profile.verdict.podRule : undefined;
  const text = wanted === undefined ? undefined : publishedRuleText(wanted, inForce.podRuleText, profile.generation);
  if (inForce.podRuleText !== text) return { kind: 'not-yet', message: 'spec.pods is being published' };
  return inForce.podRule === undefined ? undefined : proved(inForce.podRule);
}
