import { createHash } from 'node:crypto';
import { canonicalSelector, type LabelSelector } from './label-selector.ts';
import { compareRules, type PodRule } from './rule.ts';

/** The rules that share one pair of selectors: one entry of a webhook configuration asks for all of them. */
export interface RuleGroup {
  selectors: SelectorPair;
  /** Of the pair: 16 hex digits, the same whatever else changes. */
  id: string;
  /** Of the rules, without their revisions: 12 hex digits, never the same again once a rule has changed. */
  version: string;
  /** At least one; the one that counts before the others first. */
  rules: readonly PodRule[];
}

export interface SelectorPair {
  namespaceSelector: LabelSelector;
  selector: LabelSelector;
}

/** Whether this process knows the rules that the API server asks for. */
export type Knowledge =
  /** They are the rules that hold now, or were and have changed since: the API server does not know of it yet. */
  | 'known'
  /** This process may be behind: answering would leave pods unconfined. */
  | 'unknown';

/** All rules, by object, and what was ever seen of them. */
export interface RuleBook {
  /** `rule` undefined: the object has none any more. */
  set(objectUid: string, rule: PodRule | undefined): void;
  rules(): readonly PodRule[];
  groups(): RuleGroup[];
  group(id: string): RuleGroup | undefined;
  /** The group that an object's rule is in. */
  groupOf(objectUid: string): RuleGroup | undefined;
  knows(id: string, version: string): Knowledge;
  /** Called with the id of every group that has changed; returns what ends it. */
  onChange(listener: (id: string) => void): () => void;
}

/** States of groups that are remembered: the API server's knowledge is seconds old at most. */
const MOST_REMEMBERED = 10_000;

export function createRuleBook(): RuleBook {
  const rules = new Map<string, { rule: PodRule; groupId: string }>();
  const groups = new Map<string, RuleGroup>();
  const members = new Map<string, Map<string, PodRule>>();
  const seen = new Set<string>();
  const listeners = new Set<(id: string) => void>();

  function regroup(id: string, selectors: SelectorPair): void {
    remember(id, selectors);
    for (const listener of listeners) listener(id);
  }

  function remember(id: string, selectors: SelectorPair): void {
    const group = groupOf(id, selectors, members.get(id)?.values() ?? []);
    if (group === undefined) {
      groups.delete(id);
      members.delete(id);
      return;
    }
    groups.set(id, group);
    const state = stateOf(id, group.version);
    // The most recent last, so that the oldest is forgotten first.
    seen.delete(state);
    seen.add(state);
    const [oldest] = seen;
    if (seen.size > MOST_REMEMBERED && oldest !== undefined) seen.delete(oldest);
  }

  return {
    set(objectUid, rule) {
      const before = rules.get(objectUid);
      const selectors = rule === undefined ? undefined : selectorsOf(rule);
      const groupId = selectors === undefined ? undefined : idOf(selectors);
      if (before !== undefined && before.groupId !== groupId) {
        rules.delete(objectUid);
        members.get(before.groupId)?.delete(objectUid);
        regroup(before.groupId, selectorsOf(before.rule));
      }
      if (rule === undefined || selectors === undefined || groupId === undefined) return;
      rules.set(objectUid, { rule, groupId });
      members.set(groupId, (members.get(groupId) ?? new Map<string, PodRule>()).set(objectUid, rule));
      regroup(groupId, selectors);
    },
    rules: () => Array.from(rules.values(), ({ rule }) => rule),
    groups: () => [...groups.values()],
    group: (id) => groups.get(id),
    groupOf: (objectUid) => groups.get(rules.get(objectUid)?.groupId ?? ''),
    knows: (id, version) => (seen.has(stateOf(id, version)) ? 'known' : 'unknown'),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function groupOf(id: string, selectors: SelectorPair, rules: Iterable<PodRule>): RuleGroup | undefined {
  const sorted = [...rules].sort(compareRules);
  if (sorted.length === 0) return undefined;
  // These forms are part of the running configuration: another one makes replicas of two versions strangers to each other.
  const version = hash(
    sorted.map(({ object, profile, priority, containers, since }) => [
      object.uid,
      profile,
      priority,
      containers ?? null,
      since,
    ]),
    12,
  );
  return { id, selectors, version, rules: sorted };
}

function selectorsOf({ namespaceSelector, selector }: PodRule): SelectorPair {
  return { namespaceSelector: canonicalSelector(namespaceSelector), selector: canonicalSelector(selector) };
}

function idOf({ namespaceSelector, selector }: SelectorPair): string {
  return hash([namespaceSelector, selector], 16);
}

function stateOf(id: string, version: string): string {
  return `${id}/${version}`;
}

/** Of what has one form only: canonical selectors, lists. */
function hash(value: unknown, digits: number): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, digits);
}
