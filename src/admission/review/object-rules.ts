/** A rule about an AppArmorProfile as a whole, or about what compiling its texts showed. */
export interface ObjectRule {
  id: string;
  severity: 'error' | 'warning';
  /** Why the rule exists, for the documentation. */
  reason: string;
}

/** What the rules of src/policy, which see one text, cannot know; in the order in which findings are listed. */
export const OBJECT_RULES = [
  {
    id: 'texts-too-large',
    severity: 'error',
    reason:
      'All texts of an object are stored twice in etcd, as object and as revision, and it refuses objects of 1.5 MB.',
  },
  {
    id: 'pods-selector-missing',
    severity: 'error',
    reason:
      'Without any selector it would be every pod of the cluster, which nobody should get by leaving something out.',
  },
  {
    id: 'pods-selector-invalid',
    severity: 'error',
    reason:
      'The API server refuses a webhook configuration with such a selector, with every other entry in there, and a pod with such node affinity.',
  },
  {
    id: 'pods-selectors-too-large',
    severity: 'error',
    reason: 'The selectors of all objects have to fit into webhook configurations, and etcd refuses objects of 1.5 MB.',
  },
  {
    id: 'pods-profile-unknown',
    severity: 'error',
    reason: 'A pod that names a profile which its node does not have cannot start.',
  },
  {
    id: 'variant-names',
    severity: 'error',
    reason: 'A pod names its profile without knowing the node, so every text must define the same names.',
  },
  {
    id: 'name-owned',
    severity: 'error',
    reason: 'A kernel has one profile of a name: of two objects that define it on one node only one can be in force.',
  },
  {
    id: 'compile-failed',
    severity: 'error',
    reason: 'What apparmor_parser does not compile no node can load.',
  },
  {
    id: 'compile-timeout',
    severity: 'error',
    reason: 'Every node compiles the text: one that needs more than 60 s of CPU would hold back all others there.',
  },
  {
    id: 'compile-out-of-memory',
    severity: 'error',
    reason: 'Agents compile with 160 MiB, so that no text can have their container killed.',
  },
  {
    id: 'compile-crashed',
    severity: 'error',
    reason: 'A text that makes apparmor_parser crash does so on every node.',
  },
  {
    id: 'compile-output-too-large',
    severity: 'error',
    reason: 'The compiled policy is kept on every node and in every kernel; at most 16 MiB are taken.',
  },
  {
    id: 'compiled-names',
    severity: 'error',
    reason: 'Agents load nothing whose profiles are other than those that the text was read to define.',
  },
  {
    id: 'compile-unfinished',
    severity: 'warning',
    reason: 'A review must answer within seconds; the controller compiles on, and publishes only what compiles.',
  },
  {
    id: 'compile-skipped',
    severity: 'warning',
    reason: 'Without apparmor_parser only the rules are applied; syntax that only the parser knows is not checked.',
  },
  {
    id: 'large-for-client-side-apply',
    severity: 'warning',
    reason:
      '`kubectl apply` copies the object into an annotation, and the API server refuses annotations over 256 KiB.',
  },
  {
    id: 'profile-in-use',
    severity: 'warning',
    reason: 'Pods that name a profile which no object defines any more cannot start on nodes that lack it.',
  },
] as const satisfies readonly ObjectRule[];

export type ObjectRuleId = (typeof OBJECT_RULES)[number]['id'];

/** The rule's severity, so that no finding has another than the table says. */
export function severityOf(rule: ObjectRuleId): 'error' | 'warning' {
  return SEVERITIES[rule];
}

const SEVERITIES = Object.fromEntries(OBJECT_RULES.map(({ id, severity }) => [id, severity])) as Record<
  ObjectRuleId,
  'error' | 'warning'
>;
