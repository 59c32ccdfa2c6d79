import type { Labels } from '../../admission/pods/label-selector.ts';
import { decide, type PodDecision, type PodRule } from '../../admission/pods/rule.ts';
import type { RevisionView } from '../revisions/revision-view.ts';
import { podOutcome, type PodHost, type PodOutcome } from './pod-outcome.ts';
import type { PodShape, PodView } from './pod-view.ts';
import { createRuleLookup, selects } from './rule-lookup.ts';

/** Which of the cached pods the rule of an object selects, kept up with each change, so that nobody looks through all pods. */
export interface MatchedPods {
  podChanged(key: string, now: PodView | undefined, before: PodView | undefined): void;
  /** The labels of a namespace are other ones now. */
  namespaceChanged(name: string): void;
  /** All rules as they are now; those that are the same objects as before cost nothing. */
  rulesChanged(rules: readonly PodRule[]): void;
  /** Every pod that the object's rule selects, and how it runs at this moment; in no order. */
  of(objectUid: string): Iterable<MatchedPod>;
}

export interface MatchedPod {
  /** `namespace/name`. */
  key: string;
  pod: PodView;
  outcome: PodOutcome;
}

export interface MatchedPodsParts {
  /** The operator's own namespace. */
  ownNamespace: string;
  /** Undefined: not known yet; then no rule with a namespaceSelector selects its pods. */
  namespaceLabels(name: string): Labels | undefined;
  host(nodeName: string): PodHost;
  revisionsOf(objectUid: string): readonly RevisionView[];
  /** The pods that this object selects, or how they run, may be others now. */
  onChange(object: { name: string; uid: string }): void;
}

/** The pods of one shape: all rules decide alike about them. */
interface Cohort {
  shape: PodShape;
  pods: Map<string, PodView>;
  /** Rules that select them; few, and a map would be most of what a pod of its own shape costs. */
  rules: readonly PodRule[];
  /** Made when somebody asks. */
  decision?: PodDecision;
}

export function createMatchedPods(parts: MatchedPodsParts): MatchedPods {
  const cohorts = new Map<PodShape, Cohort>();
  const byNamespace = new Map<string, Set<Cohort>>();
  const byObject = new Map<string, Set<Cohort>>();
  const lookup = createRuleLookup();

  function labelsOf(namespace: string): Labels {
    return parts.namespaceLabels(namespace) ?? {};
  }

  function link(cohort: Cohort, rule: PodRule): void {
    cohort.rules = [...cohort.rules, rule];
    addTo(byObject, rule.object.uid, cohort);
    delete cohort.decision;
  }

  function unlink(cohort: Cohort, { object: { uid } }: PodRule): void {
    cohort.rules = cohort.rules.filter(({ object }) => object.uid !== uid);
    removeFrom(byObject, uid, cohort);
    delete cohort.decision;
  }

  function rulesFor({ namespace, subject }: PodShape): readonly PodRule[] {
    return lookup.selecting(subject.labels, labelsOf(namespace));
  }

  function tell(cohort: Cohort): void {
    for (const { object } of cohort.rules) parts.onChange(object);
  }

  function cohortOf(shape: PodShape): Cohort {
    const known = cohorts.get(shape);
    if (known !== undefined) return known;
    const cohort: Cohort = { shape, pods: new Map(), rules: [] };
    cohorts.set(shape, cohort);
    addTo(byNamespace, shape.namespace, cohort);
    for (const rule of rulesFor(shape)) link(cohort, rule);
    return cohort;
  }

  function leave(cohort: Cohort, key: string): void {
    tell(cohort);
    cohort.pods.delete(key);
    if (cohort.pods.size > 0) return;
    for (const rule of cohort.rules) unlink(cohort, rule);
    cohorts.delete(cohort.shape);
    removeFrom(byNamespace, cohort.shape.namespace, cohort);
  }

  /** Objects that selected a cohort too may decide for more or less of it now. */
  function replaceRule(before: PodRule | undefined, now: PodRule | undefined): void {
    for (const cohort of before === undefined ? [] : [...(byObject.get(before.object.uid) ?? [])]) {
      tell(cohort);
      if (before !== undefined) unlink(cohort, before);
    }
    if (now === undefined) return;
    for (const cohort of cohorts.values()) {
      const { subject, namespace } = cohort.shape;
      if (!selects(now, subject.labels, labelsOf(namespace))) continue;
      link(cohort, now);
      tell(cohort);
    }
  }

  function decisionOf(cohort: Cohort): PodDecision {
    const { namespace: name, subject } = cohort.shape;
    cohort.decision ??= decide(subject, { name, labels: labelsOf(name) }, cohort.rules, parts.ownNamespace);
    return cohort.decision;
  }

  return {
    podChanged(key, now, before) {
      const cohort = now === undefined ? undefined : cohortOf(now.shape);
      const left = before === undefined ? undefined : cohorts.get(before.shape);
      if (left !== undefined && left !== cohort) leave(left, key);
      if (now === undefined || cohort === undefined) return;
      cohort.pods.set(key, now);
      tell(cohort);
    },
    namespaceChanged(name) {
      for (const cohort of byNamespace.get(name) ?? []) {
        tell(cohort);
        for (const rule of cohort.rules) unlink(cohort, rule);
        for (const rule of rulesFor(cohort.shape)) link(cohort, rule);
        // The namespace may be exempt now.
        delete cohort.decision;
        tell(cohort);
      }
    },
    rulesChanged(all) {
      const now = new Map(all.map((rule) => [rule.object.uid, rule]));
      for (const uid of lookup.uids()) {
        if (now.has(uid)) continue;
        replaceRule(lookup.get(uid), undefined);
        lookup.delete(uid);
      }
      for (const [uid, rule] of now) {
        const before = lookup.get(uid);
        if (before === rule) continue;
        lookup.set(rule);
        replaceRule(before, rule);
      }
    },
    *of(objectUid) {
      const cohortsOfObject = byObject.get(objectUid);
      if (cohortsOfObject === undefined) return;
      const revisions = parts.revisionsOf(objectUid);
      for (const cohort of cohortsOfObject) {
        const decision = decisionOf(cohort);
        for (const [key, pod] of cohort.pods) {
          const host = parts.host(pod.nodeName);
          yield { key, pod, outcome: podOutcome({ pod, decision, objectUid, host, revisions }) };
        }
      }
    },
  };
}

function addTo<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, new Set([value]));
  else values.add(value);
}

function removeFrom<T>(index: Map<string, Set<T>>, key: string, value: T): void {
  const values = index.get(key);
  values?.delete(value);
  if (values?.size === 0) index.delete(key);
}
