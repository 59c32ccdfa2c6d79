import { compareAge, type Aged } from '../../api/age.ts';
import { type Labels, type LabelSelector, selectsLabels } from './label-selector.ts';
import type { AppArmorProfileField, PodContainer, PodSubject } from './pod-subject.ts';

/** spec.pods of an AppArmorProfile that was accepted, with the revision that is published for it. */
export interface PodRule {
  object: Aged & { name: string };
  /** Hash of the object's published revision. */
  revision: string;
  /** The profile that the containers get. */
  profile: string;
  priority: number;
  /** Absent: every namespace. */
  namespaceSelector?: LabelSelector;
  /** Absent: every pod. */
  selector?: LabelSelector;
  /** Names of the containers that are meant; absent: all. */
  containers?: readonly string[];
  /** Labels of the nodes that load the profile, all of them; absent: every node. */
  nodeSelector?: Labels;
  /** The object's generation at which this rule, apart from `revision`, was written as it is. */
  since: number;
}

export interface PodNamespace {
  name: string;
  labels: Labels;
}

/** What happens to a pod at its creation, and why. */
export type PodDecision =
  /** No rule means it. */
  | { kind: 'unmatched' }
  /** Rules mean it, but it is one that is never touched, or its author has decided for all of it. */
  | { kind: 'exempt'; reason: ExemptReason; message: string; rules: readonly PodRule[] }
  | { kind: 'decided'; containers: readonly ContainerDecision[] };

export type ExemptReason = 'Namespace' | 'MirrorPod' | 'Windows' | 'SystemCritical' | 'OwnProfile';

export interface ContainerDecision {
  container: PodContainer;
  outcome: ContainerOutcome;
  /** Rules that mean this container, too, but come after the one that counts. */
  lost: readonly PodRule[];
}

export type ContainerOutcome =
  /** Gets the rule's profile. */
  | { kind: 'confine'; rule: PodRule }
  /** Its field names the rule's profile already: its author's, or ours from an earlier round of admission. */
  | { kind: 'confined'; rule: PodRule }
  | { kind: 'skipped'; reason: 'OwnProfile' | 'OwnAnnotation'; message: string; rule: PodRule }
  /** `containers` of every matching rule leaves it out. */
  | { kind: 'not-named'; rules: readonly PodRule[] };

/** Annotation by which pods named profiles before Kubernetes 1.30, followed by the container's name. */
export const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

/** Label of namespaces that opt out with the value `disabled`. */
export const INJECT_LABEL = 'apparmor-operator.dev/inject';

/** Namespaces that are never touched. */
export function exemptNamespaces(ownNamespace: string): readonly string[] {
  return ['kube-system', ownNamespace];
}

/**
 * Which profile each container of a new pod gets. Pure, and apart from the webhook, so that another engine can use it.
 *
 * The rule that counts is chosen per container: the highest priority, then the older object, then the smaller uid. What the
 * pod's author has set always stays. A RuntimeClass is only a name here: Windows is told from spec.os and nodeSelector.
 */
export function decide(
  pod: PodSubject,
  namespace: PodNamespace,
  rules: Iterable<PodRule>,
  ownNamespace: string,
): PodDecision {
  const matching = [...rules]
    .filter(
      ({ selector, namespaceSelector }) =>
        selectsLabels(selector, pod.labels) && selectsLabels(namespaceSelector, namespace.labels),
    )
    .sort(compareRules);
  if (matching.length === 0) return { kind: 'unmatched' };
  const exemption = exempt(pod, namespace, ownNamespace);
  if (exemption !== undefined) return { kind: 'exempt', ...exemption, rules: matching };
  return {
    kind: 'decided',
    containers: pod.containers.map((container) => decideContainer(container, pod, matching)),
  };
}

/** The rule that counts before the other has a negative result. */
export function compareRules(left: PodRule, right: PodRule): number {
  if (left.priority !== right.priority) return right.priority - left.priority;
  return compareAge(left.object, right.object);
}

function exempt(
  pod: PodSubject,
  namespace: PodNamespace,
  ownNamespace: string,
): { reason: ExemptReason; message: string } | undefined {
  if (exemptNamespaces(ownNamespace).includes(namespace.name)) {
    return { reason: 'Namespace', message: `pods of namespace ${namespace.name} are never touched` };
  }
  if (Object.hasOwn(namespace.labels, INJECT_LABEL) && namespace.labels[INJECT_LABEL] === 'disabled') {
    return { reason: 'Namespace', message: `namespace ${namespace.name} has the label ${INJECT_LABEL}=disabled` };
  }
  if (Object.hasOwn(pod.annotations, MIRROR_ANNOTATION)) {
    return { reason: 'MirrorPod', message: 'it is the mirror of a static pod, which the API server cannot change' };
  }
  if (pod.os === 'windows' || OS_LABELS.some((label) => pod.nodeSelector[label] === 'windows')) {
    return { reason: 'Windows', message: 'it runs on Windows, which has no AppArmor' };
  }
  if (SYSTEM_CRITICAL.some((name) => name === pod.priorityClassName)) {
    return { reason: 'SystemCritical', message: `its priority class is ${pod.priorityClassName}` };
  }
  if (pod.profile !== undefined) {
    return { reason: 'OwnProfile', message: `its securityContext says ${fieldText(pod.profile)}` };
  }
  return undefined;
}

export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const OS_LABELS = ['kubernetes.io/os', 'beta.kubernetes.io/os'];
const SYSTEM_CRITICAL = ['system-node-critical', 'system-cluster-critical'];

function decideContainer(container: PodContainer, pod: PodSubject, matching: readonly PodRule[]): ContainerDecision {
  const [rule, ...lost] = matching.filter(({ containers }) => containers?.includes(container.name) ?? true);
  if (rule === undefined) return { container, outcome: { kind: 'not-named', rules: matching }, lost: [] };
  return { container, outcome: outcomeOf(container, pod, rule), lost };
}

function outcomeOf(container: PodContainer, pod: PodSubject, rule: PodRule): ContainerOutcome {
  const { profile } = container;
  if (profile !== undefined) {
    if (profile.type === 'Localhost' && profile.localhostProfile === rule.profile) return { kind: 'confined', rule };
    return { kind: 'skipped', reason: 'OwnProfile', message: `its securityContext says ${fieldText(profile)}`, rule };
  }
  const key = APPARMOR_ANNOTATION + container.name;
  const annotation = Object.hasOwn(pod.annotations, key) ? pod.annotations[key] : undefined;
  // The same profile: the field may be added. A webhook after ours, built on types without the field, drops it.
  if (annotation === undefined || annotation === `localhost/${rule.profile}`) return { kind: 'confine', rule };
  return { kind: 'skipped', reason: 'OwnAnnotation', message: `its annotation says ${shown(annotation)}`, rule };
}

function fieldText({ type, localhostProfile }: AppArmorProfileField): string {
  return [type ?? 'no type', ...(localhostProfile === undefined ? [] : [shown(localhostProfile)])].join(' ');
}

/** The author's text, which may be long or hold control characters. */
function shown(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 63)}…` : text);
}
