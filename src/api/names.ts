/** The API group of both kinds; also the prefix of every label and annotation of ours. */
export const API_GROUP = 'apparmor-operator.dev';
export const API_VERSION = 'v1alpha1';

/** The namespace of the manifests. A cluster may use another: parts take theirs from their own pod. */
export const DEFAULT_NAMESPACE = 'apparmor-operator';

/** The cluster-scoped object that owns what the controller creates at run time, so that deleting the manifests removes it. */
export const OWNER_CLUSTER_ROLE = 'apparmor-operator-controller';

export const AGENT_DAEMONSET = 'apparmor-operator-agent';
export const AGENT_SERVICE_ACCOUNT = 'apparmor-operator-agent';
export const CONTROLLER_LEASE = 'apparmor-operator-controller';

/** The Service by which the API server reaches the webhooks of every replica, at port 443. */
export const WEBHOOK_SERVICE = 'apparmor-operator-webhook';
/** The Secret with the webhooks' certificate. */
export const WEBHOOK_SECRET = 'apparmor-operator-webhook';
/** The ValidatingWebhookConfiguration of the review of AppArmorProfiles. */
export const REVIEW_WEBHOOK = 'apparmor-operator-review';

/** Field managers of server-side apply, one per part and concern, so that no two share a field. */
export const FIELD_MANAGER = {
  controller: 'apparmor-operator-controller',
  agent: 'apparmor-operator-agent',
} as const;

export const LABEL = {
  /** On ControllerRevisions: `true`, the agents' selector. */
  revision: 'apparmor-operator.dev/revision',
  /** On ControllerRevisions: uid of the AppArmorProfile that it was published for. Names do not fit: 253 > 63 characters. */
  objectUid: 'apparmor-operator.dev/object-uid',
  /** On Nodes: `true` or `false`, whether its kernel enforces AppArmor policies; absent while that is not known. */
  enforcing: 'apparmor-operator.dev/enforcing',
  component: 'app.kubernetes.io/component',
  name: 'app.kubernetes.io/name',
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const ANNOTATION = {
  /** On ControllerRevisions: name of the AppArmorProfile. */
  object: 'apparmor-operator.dev/object',
  /** On ControllerRevisions: the short hash that AppArmorNode rows and `status.revision` show. */
  revisionHash: 'apparmor-operator.dev/revision-hash',
  /** On ControllerRevisions: the object's generation when it became current; the highest per object is the current one. */
  sequence: 'apparmor-operator.dev/sequence',
  /** On the agent DaemonSet and on webhook configurations: hash of what the controller wants them to be. */
  specHash: 'apparmor-operator.dev/spec-hash',
} as const;
