import { type Labels, selectsLabels } from '../../admission/pods/label-selector.ts';
import type { PodRule } from '../../admission/pods/rule.ts';

/** All rules by a label that they ask for, so that a pod of its own labels is not held against hundreds of selectors. */
export interface RuleLookup {
  get(objectUid: string): PodRule | undefined;
  /** One for each object. */
  set(rule: PodRule): void;
  delete(objectUid: string): void;
  uids(): string[];
  /** The rules whose selectors fit a pod with these labels in a namespace with those. */
  selecting(pod: Labels, namespace: Labels): PodRule[];
}

export function createRuleLookup(): RuleLookup {
  const rules = new Map<string, PodRule>();
  const buckets = new Map<string, Map<string, PodRule>>();

  function remove(uid: string): void {
    const rule = rules.get(uid);
    if (rule === undefined) return;
    rules.delete(uid);
    const name = bucketOf(rule);
    const bucket = buckets.get(name);
    bucket?.delete(uid);
    if (bucket?.size === 0) buckets.delete(name);
  }

  function* candidates(pod: Labels, namespace: Labels): Generator<PodRule> {
    yield* buckets.get(ANY)?.values() ?? [];
    for (const [key, value] of Object.entries(pod)) yield* buckets.get(labelled('pod', key, value))?.values() ?? [];
    for (const [key, value] of Object.entries(namespace)) {
      yield* buckets.get(labelled('namespace', key, value))?.values() ?? [];
    }
  }

  return {
    get: (uid) => rules.get(uid),
    set(rule) {
      const { uid } = rule.object;
      remove(uid);
      rules.set(uid, rule);
      const name = bucketOf(rule);
      buckets.set(name, (buckets.get(name) ?? new Map<string, PodRule>()).set(uid, rule));
    },
    delete: remove,
    uids: () => [...rules.keys()],
    selecting: (pod, namespace) => [...candidates(pod, namespace)].filter((rule) => selects(rule, pod, namespace)),
  };
}

/** Whether a rule means a pod with these labels in a namespace with those. */
export function selects({ selector, namespaceSelector }: PodRule, pod: Labels, namespace: Labels): boolean {
  return selectsLabels(selector, pod) && selectsLabels(namespaceSelector, namespace);
}

const ANY = '';

/** By one label that every pod of the rule, or else every namespace, must have; which one does not matter. */
function bucketOf({ selector, namespaceSelector }: PodRule): string {
  const [pod] = Object.entries(selector?.matchLabels ?? {});
  if (pod !== undefined) return labelled('pod', ...pod);
  const [namespace] = Object.entries(namespaceSelector?.matchLabels ?? {});
  return namespace === undefined ? ANY : labelled('namespace', ...namespace);
}

function labelled(of: 'pod' | 'namespace', key: string, value: string): string {
  return `${of} ${key}=${value}`;
}
