import { createRuleBook, type RuleBook, type RuleGroup } from '../../../../src/admission/pods/rule-book.ts';
import type { PodRule } from '../../../../src/admission/pods/rule.ts';

/** A rule for every pod, of an object with this name. */
export function rule(name: string, change: Partial<PodRule> = {}): PodRule {
  return {
    object: { name, uid: `uid-${name}`, creationTimestamp: '2026-11-01T00:00:00Z' },
    revision: `rev-${name}`,
    profile: `aa-${name}`,
    priority: 0,
    since: 1,
    ...change,
  };
}

export function bookOf(rules: readonly PodRule[]): RuleBook {
  const book = createRuleBook();
  for (const each of rules) book.set(each.object.uid, each);
  return book;
}

export function groupsOf(rules: readonly PodRule[]): RuleGroup[] {
  return bookOf(rules).groups();
}

export function onlyGroup(rules: readonly PodRule[]): RuleGroup {
  const [group, ...others] = groupsOf(rules);
  if (group === undefined || others.length > 0) throw new Error('not one group');
  return group;
}
