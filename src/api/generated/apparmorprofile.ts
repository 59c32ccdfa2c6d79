// Generated from crds/apparmorprofiles.yaml by scripts/generate-api.ts (npm run generate): do not edit.
import type { ObjectMeta } from '../../kube/resource.ts';

/**
 * An AppArmor policy that the operator loads into the kernel of every node it selects. The
 * status says on which nodes the kernel holds it, on which it does not, and why.
 *
 * Deleting an AppArmorProfile takes no confinement away from running processes: nodes keep
 * the policy loaded.
 */
export interface AppArmorProfile {
  /**
   * Version of this API, apparmor-operator.dev/v1alpha1.
   */
  apiVersion?: string;
  /**
   * AppArmorProfile.
   */
  kind?: string;
  metadata: ObjectMeta;
  /**
   * The policy, the nodes that load it, and how.
   */
  spec: AppArmorProfileSpec;
  /**
   * What the nodes' kernels hold. Written by the operator's controller alone.
   */
  status?: AppArmorProfileStatus;
}

/**
 * The policy, the nodes that load it, and how.
 */
export interface AppArmorProfileSpec {
  /**
   * A profile with an attachment, or with a name that begins with `/`, also confines matching
   * programs of the node itself, outside any container. Such a policy is refused unless this
   * is true. Absent: false.
   */
  allowHostAttachment?: boolean;
  /**
   * What a node does if its kernel already holds a different profile of one of these names
   * that the operator did not load. Refuse (also when absent): leave it as it is and report
   * Conflict. Replace: take the name over.
   */
  conflictPolicy?: AppArmorProfileSpecConflictPolicy;
  /**
   * Enforce: what the policy does not allow is refused. Complain: it is allowed and written
   * to the node's log, though explicit `deny` rules still refuse. Absent: as the text says
   * (flags=(complain), or else enforced). Enforce is refused if the text says something else.
   */
  mode?: AppArmorProfileSpecMode;
  /**
   * Labels that a node must all have to load the policy. Absent or empty: every Linux node. A
   * node that no longer matches keeps what it has loaded and is reported, because processes
   * may still run under it.
   */
  nodeSelector?: { [key: string]: string };
  /**
   * Pods that run confined by the policy. Absent: the policy is only loaded, and pods name it
   * themselves.
   *
   * A pod gets the profile when it is created, in the securityContext.appArmorProfile of its
   * containers; pods that exist already keep what they have until they are replaced. A
   * container or pod for which its author has set a profile, Unconfined or RuntimeDefault
   * keeps that.
   */
  pods?: AppArmorProfileSpecPods;
  /**
   * AppArmor policy text in the language of apparmor.d(5), as you would put it into
   * /etc/apparmor.d. It is passed to the compiler byte for byte: never templated, never
   * re-indented. In YAML write it as a literal block (`policy: |`).
   *
   * The text defines one or more profiles. A profile's name is what a pod gives as
   * securityContext.appArmorProfile.localhostProfile; it need not be the name of this object,
   * and no other AppArmorProfile may define it on the same node (see status.failures, reason
   * Conflict). Includes such as <tunables/global> and <abstractions/base> come from the
   * operator's image, so every node compiles the same text to the same rules whatever
   * distribution it runs.
   *
   * All texts of one object together are limited to 512 KiB. From about 200 KiB use `kubectl
   * apply --server-side`: plain apply copies the object into an annotation, which the API
   * server limits to 256 KiB.
   */
  policy: string;
  /**
   * Other texts for nodes on which spec.policy cannot be used as it is, for example where
   * distributions keep a program at different paths. A node loads the policy of the first
   * variant whose nodeSelector matches it, else spec.policy.
   */
  variants?: AppArmorProfileSpecVariant[];
}

/**
 * What a node does if its kernel already holds a different profile of one of these names
 * that the operator did not load. Refuse (also when absent): leave it as it is and report
 * Conflict. Replace: take the name over.
 */
export type AppArmorProfileSpecConflictPolicy = 'Refuse' | 'Replace';

/**
 * Enforce: what the policy does not allow is refused. Complain: it is allowed and written
 * to the node's log, though explicit `deny` rules still refuse. Absent: as the text says
 * (flags=(complain), or else enforced). Enforce is refused if the text says something else.
 */
export type AppArmorProfileSpecMode = 'Complain' | 'Enforce';

/**
 * Pods that run confined by the policy. Absent: the policy is only loaded, and pods name it
 * themselves.
 *
 * A pod gets the profile when it is created, in the securityContext.appArmorProfile of its
 * containers; pods that exist already keep what they have until they are replaced. A
 * container or pod for which its author has set a profile, Unconfined or RuntimeDefault
 * keeps that.
 */
export interface AppArmorProfileSpecPods {
  /**
   * Names of the containers and init containers that get the profile. Absent: all of them. A
   * container for which the pod's author has set a profile keeps it.
   */
  containers?: string[];
  /**
   * Labels of the namespaces whose pods are meant. Absent or {}: every namespace but those
   * the operator never touches (kube-system, its own, and those labelled
   * apparmor-operator.dev/inject: disabled).
   */
  namespaceSelector?: AppArmorProfileSpecPodsNamespaceSelector;
  /**
   * Where several AppArmorProfiles select the same pod, the highest priority wins; among
   * equal ones the oldest object. Absent: 0.
   */
  priority?: number;
  /**
   * Which of the policy's profiles the containers get. Needed only if the policy defines
   * several.
   */
  profile?: string;
  /**
   * A running pod cannot be given a profile. Never (also when absent): matching pods that run
   * without it are left alone. Evict: once Ready is True they are evicted, of each
   * ReplicaSet, StatefulSet, DaemonSet or ReplicationController one at a time, as their
   * PodDisruptionBudgets allow. The next one follows when the replacement is Ready and
   * confined; where it does not become so, nothing more is evicted. Other pods, such as bare
   * ones and those of Jobs, are only reported. The operator needs a right for it that it does
   * not have by default: kubectl apply -k manifests/evict.
   */
  restart?: AppArmorProfileSpecPodsRestart;
  /**
   * Labels of the pods that are meant. Absent or {}: every pod of the namespaces that
   * namespaceSelector selects. Pods of Windows nodes, mirror pods and system-critical pods
   * are never touched.
   */
  selector?: AppArmorProfileSpecPodsSelector;
}

/**
 * Labels of the namespaces whose pods are meant. Absent or {}: every namespace but those
 * the operator never touches (kube-system, its own, and those labelled
 * apparmor-operator.dev/inject: disabled).
 */
export interface AppArmorProfileSpecPodsNamespaceSelector {
  /**
   * Conditions on labels that must all be true, in addition to matchLabels.
   */
  matchExpressions?: NamespaceSelectorMatchExpression[];
  /**
   * Labels that must all be there with these values.
   */
  matchLabels?: { [key: string]: string };
}

export interface NamespaceSelectorMatchExpression {
  /**
   * Key of the label.
   */
  key: string;
  /**
   * In, NotIn: the label's value is, or is not, one of values (NotIn also where the label is
   * absent). Exists, DoesNotExist: whether the label is there, whatever its value.
   */
  operator: AppArmorProfileSpecPodsSelectorMatchExpressionOperator;
  /**
   * Values for In and NotIn.
   */
  values?: string[];
}

/**
 * In, NotIn: the label's value is, or is not, one of values (NotIn also where the label is
 * absent). Exists, DoesNotExist: whether the label is there, whatever its value.
 */
export type AppArmorProfileSpecPodsSelectorMatchExpressionOperator = 'DoesNotExist' | 'Exists' | 'In' | 'NotIn';

/**
 * A running pod cannot be given a profile. Never (also when absent): matching pods that run
 * without it are left alone. Evict: once Ready is True they are evicted, of each
 * ReplicaSet, StatefulSet, DaemonSet or ReplicationController one at a time, as their
 * PodDisruptionBudgets allow. The next one follows when the replacement is Ready and
 * confined; where it does not become so, nothing more is evicted. Other pods, such as bare
 * ones and those of Jobs, are only reported. The operator needs a right for it that it does
 * not have by default: kubectl apply -k manifests/evict.
 */
export type AppArmorProfileSpecPodsRestart = 'Evict' | 'Never';

/**
 * Labels of the pods that are meant. Absent or {}: every pod of the namespaces that
 * namespaceSelector selects. Pods of Windows nodes, mirror pods and system-critical pods
 * are never touched.
 */
export interface AppArmorProfileSpecPodsSelector {
  /**
   * Conditions on labels that must all be true, in addition to matchLabels.
   */
  matchExpressions?: SelectorMatchExpression[];
  /**
   * Labels that must all be there with these values.
   */
  matchLabels?: { [key: string]: string };
}

export interface SelectorMatchExpression {
  /**
   * Key of the label.
   */
  key: string;
  /**
   * In, NotIn: the label's value is, or is not, one of values (NotIn also where the label is
   * absent). Exists, DoesNotExist: whether the label is there, whatever its value.
   */
  operator: AppArmorProfileSpecPodsSelectorMatchExpressionOperator;
  /**
   * Values for In and NotIn.
   */
  values?: string[];
}

export interface AppArmorProfileSpecVariant {
  /**
   * Labels that a node must all have to use this text. It only chooses the text: a node must
   * match spec.nodeSelector, too.
   */
  nodeSelector: { [key: string]: string };
  /**
   * Text that replaces spec.policy on these nodes. It must define profiles of the same names,
   * so that a pod can name its profile without knowing the node.
   */
  policy: string;
}

/**
 * What the nodes' kernels hold. Written by the operator's controller alone.
 */
export interface AppArmorProfileStatus {
  /**
   * Ready is always there. Reconciling and Stalled are there only while they are true:
   * Reconciling, the operator is at work; Stalled, no retry can help and the spec, or the
   * cluster, must be changed. PodsConfined is there if spec.pods is.
   *
   * Ready=True: every node that should and can hold the current revision does, and there is
   * at least one. Nodes counted as unreachable or unsupported do not hold it back.
   */
  conditions?: AppArmorProfileStatusCondition[];
  /**
   * What is wrong: first what the review refused of the spec, then what went wrong on nodes,
   * nodes with the same failure grouped, the most frequent first.
   */
  failures?: AppArmorProfileStatusFailure[];
  /**
   * Mode in which the nodes load the profiles: spec.mode, or else what the flags of the text
   * say. Only Enforce and Kill confine. Mixed: the profiles of the text differ.
   */
  mode?: AppArmorProfileStatusMode;
  /**
   * How many nodes are in which state. Each node that spec.nodeSelector selects is counted as
   * desired and in exactly one of the other fields.
   */
  nodes?: AppArmorProfileStatusNodes;
  /**
   * For the column Nodes, as in 3/3. Nodes that hold the current revision, of those that
   * should and can.
   */
  nodesLoaded?: string;
  /**
   * The metadata.generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * How many pods spec.pods selects, and how they run. The last four add up to the first.
   * Absent without spec.pods.
   */
  pods?: AppArmorProfileStatusPods;
  /**
   * For the column Pods, as in 5/7. Pods confined, of those matched.
   */
  podsConfined?: string;
  /**
   * Names of the profiles that the policy defines, as a pod names them. Child profiles are
   * not listed.
   */
  profiles?: string[];
  /**
   * Short hash of the revision that the nodes should hold now; the same value stands in the
   * `loaded` rows of the AppArmorNodes. It stays at the last accepted revision while a newer
   * spec is refused.
   */
  revision?: string;
}

export interface AppArmorProfileStatusCondition {
  /**
   * When status last changed.
   */
  lastTransitionTime: string;
  /**
   * The same for people, with the node, the line of the text, and what to do next.
   */
  message: string;
  /**
   * The metadata.generation that this condition speaks of.
   */
  observedGeneration?: number;
  /**
   * One word, of a fixed and documented set, that says why.
   */
  reason: string;
  /**
   * True, False or Unknown.
   */
  status: AppArmorProfileStatusConditionStatus;
  /**
   * Ready, Reconciling, Stalled or PodsConfined.
   */
  type: string;
}

/**
 * True, False or Unknown.
 */
export type AppArmorProfileStatusConditionStatus = 'False' | 'True' | 'Unknown';

export interface AppArmorProfileStatusFailure {
  /**
   * One of these nodes, if any. `kubectl get apparmornode NAME -o yaml` shows its view.
   */
  example?: string;
  /**
   * Line of the policy text, from 1, where the failure has one.
   */
  line?: number;
  /**
   * What the review, the compiler or the kernel said, and what to do next.
   */
  message: string;
  /**
   * Number of nodes that failed like this. Absent where the review refused the spec, which
   * concerns no node.
   */
  nodes?: number;
  /**
   * One word, of a fixed and documented set, such as PolicyRefused, CompileFailed or Conflict.
   */
  reason: string;
}

/**
 * Mode in which the nodes load the profiles: spec.mode, or else what the flags of the text
 * say. Only Enforce and Kill confine. Mixed: the profiles of the text differ.
 */
export type AppArmorProfileStatusMode = 'Complain' | 'Enforce' | 'Kill' | 'Mixed' | 'Unconfined' | 'User';

/**
 * How many nodes are in which state. Each node that spec.nodeSelector selects is counted as
 * desired and in exactly one of the other fields.
 */
export interface AppArmorProfileStatusNodes {
  /**
   * Nodes on which another object, or something other than the operator, owns one of the
   * names.
   */
  conflict: number;
  /**
   * Nodes that spec.nodeSelector selects.
   */
  desired: number;
  /**
   * Nodes that could not compile or load it. They keep the last revision they could.
   */
  failed: number;
  /**
   * Nodes whose kernel was asked and holds the current revision.
   */
  loaded: number;
  /**
   * Nodes from which nothing was heard about the current revision yet.
   */
  pending: number;
  /**
   * Nodes that are NotReady, virtual, or have had no agent for five minutes.
   */
  unreachable: number;
  /**
   * Nodes that cannot enforce AppArmor at all; `kubectl get apparmornodes` says why.
   */
  unsupported: number;
}

/**
 * How many pods spec.pods selects, and how they run. The last four add up to the first.
 * Absent without spec.pods.
 */
export interface AppArmorProfileStatusPods {
  /**
   * The same, but in a mode that refuses nothing.
   */
  complaining: number;
  /**
   * Pods all of whose containers that are meant run under the profile, or can only start
   * under it, on a node that holds it and has held it since they started. While a node does
   * not hold the current revision, an earlier one counts.
   */
  confined: number;
  /**
   * Pods that spec.pods selects, that are on a node, and that have not ended.
   */
  matched: number;
  /**
   * Pods with a container that runs without it, lost it, or is on a node that does not hold
   * it. The message of the condition PodsConfined says why, and what to do; most need to be
   * created anew.
   */
  pendingRestart: number;
  /**
   * Pods that are left as they are: with a profile of their author's choice, of the kinds
   * that are never touched, or for which another AppArmorProfile decides.
   */
  skipped: number;
}
