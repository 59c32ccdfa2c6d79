import { API_GROUP, API_VERSION } from '../../api/names.ts';
import { APPARMOR_NODE } from '../../api/resources.ts';
import type { LabelSelector } from './label-selector.ts';
import { exemptNamespaces, INJECT_LABEL } from './rule.ts';
import type { RuleGroup } from './rule-book.ts';

/** admissionregistration.k8s.io/v1 MutatingWebhook. `C` is how the API server reaches the webhook. */
export interface MutatingWebhook<C> {
  name: string;
  admissionReviewVersions: ['v1'];
  clientConfig: C;
  rules: readonly RuleWithOperations[];
  namespaceSelector: LabelSelector;
  objectSelector: LabelSelector;
  matchConditions: readonly { name: string; expression: string }[];
  matchPolicy: 'Equivalent';
  failurePolicy: 'Fail';
  sideEffects: 'None';
  reinvocationPolicy: 'IfNeeded';
  timeoutSeconds: number;
}

export interface RuleWithOperations {
  apiGroups: readonly string[];
  apiVersions: readonly string[];
  operations: readonly string[];
  resources: readonly string[];
  scope: 'Namespaced' | 'Cluster';
}

/** Where the pod webhook is served: every entry has a path of its own below it. */
export const POD_WEBHOOK_PATH = '/confine/pods/';

/**
 * Names of all configurations there can be, so that rights can name them. They sort last, as the API server calls webhooks
 * in the order of these names: what others add to a pod is there when ours is called.
 */
export const POD_CONFIGURATIONS: readonly string[] = Array.from('0123456789abcdef', configurationName);

/**
 * The entries of one of POD_CONFIGURATIONS, and groups of it for which there is no room: those of the youngest objects.
 *
 * One entry per pair of selectors, so that a pod that no rule means depends on nobody. Which configuration an entry is in
 * follows from its selectors alone: a change concerns one of sixteen. An object in etcd may have 1.5 MB: 500 rules with
 * selectors of 16 KiB each fit. `C` is how the API server reaches a path.
 */
export function podEntries<C>(
  configuration: string,
  groups: readonly RuleGroup[],
  parts: { ownNamespace: string; connect: (path: string) => C },
): { entries: MutatingWebhook<C>[]; leftOut: RuleGroup[] } {
  const leftOut: RuleGroup[] = [];
  const entries: MutatingWebhook<C>[] = [];
  let room = MOST_BYTES;
  for (const group of groups.filter(({ id }) => configurationName(id) === configuration).sort(olderFirst)) {
    const entry = podWebhook(group, parts.ownNamespace, parts.connect(entryPath(group)));
    const bytes = Buffer.byteLength(JSON.stringify(entry));
    if (bytes > room) {
      leftOut.push(group);
      continue;
    }
    room -= bytes;
    entries.push(entry);
  }
  return { entries: entries.sort((left, right) => compareText(left.name, right.name)), leftOut };
}

/** The configuration that a group's entry is in. */
export function configurationOfGroup({ id }: Pick<RuleGroup, 'id'>): string {
  return configurationName(id);
}

/** Of one configuration's entries; what the API server adds to it is small. */
const MOST_BYTES = 960_000;

function configurationName(shard: string): string {
  return `zzz-apparmor-operator-pods-${shard.charAt(0)}`;
}

/** Full name of a group's entry; users see it where the API server could not call us. */
export function entryName({ id }: Pick<RuleGroup, 'id'>): string {
  return `${id}.pods.${API_GROUP}`;
}

/**
 * The path that an entry calls: which rules it asks for, and for people, who see it in the API server's message where it
 * gets no answer, an object that wants those pods confined. Its segments are DNS subdomains, as the API asks for.
 */
export function entryPath({ id, version, rules }: RuleGroup): string {
  const name = rules[0]?.object.name ?? '';
  return `${POD_WEBHOOK_PATH}${id}/${version}/apparmorprofiles/${name}`;
}

/** The group and its version that a call's path names; undefined if it is not one of an entry. */
export function readEntryPath(path: string): { id: string; version: string } | undefined {
  const [, id, version] = /^\/confine\/pods\/([\da-f]{16})\/([\da-f]{12})\/apparmorprofiles\/[^/]+$/.exec(path) ?? [];
  return id === undefined || version === undefined ? undefined : { id, version };
}

/** The name of the object by which the controller asks whether an entry is in force. */
export function proofName({ id, version }: Pick<RuleGroup, 'id' | 'version'>): string {
  return `${version}.${entryName({ id })}`;
}

function podWebhook<C>(group: RuleGroup, ownNamespace: string, clientConfig: C): MutatingWebhook<C> {
  const { namespaceSelector, selector } = group.selectors;
  return {
    name: entryName(group),
    admissionReviewVersions: ['v1'],
    clientConfig,
    rules: [
      { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' },
      PROOF_RULE,
    ],
    namespaceSelector: {
      ...namespaceSelector,
      matchExpressions: [
        ...(namespaceSelector.matchExpressions ?? []),
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: exemptNamespaces(ownNamespace) },
        { key: INJECT_LABEL, operator: 'NotIn', values: ['disabled'] },
      ],
    },
    objectSelector: selector,
    // Real AppArmorNodes, and the proofs of other entries, never come here. Measured: 0.02 ms for each entry whose
    // selectors fit, and 3 ms once after a change.
    matchConditions: [
      {
        name: 'pod-or-own-proof',
        expression: `request.resource.resource == "pods" || request.name == "${proofName(group)}"`,
      },
    ],
    matchPolicy: 'Equivalent',
    failurePolicy: 'Fail',
    sideEffects: 'None',
    reinvocationPolicy: 'IfNeeded',
    timeoutSeconds: 5,
  };
}

/**
 * Proof that an entry is in force without a right to create pods: a dry-run creation of an AppArmorNode, which stores
 * nothing. Being cluster-scoped it is not subject to namespaceSelector. (The API server calls no webhook for
 * SelfSubjectReviews, measured on 1.37.)
 */
const PROOF_RULE: RuleWithOperations = {
  apiGroups: [API_GROUP],
  apiVersions: [API_VERSION],
  operations: ['CREATE'],
  resources: [APPARMOR_NODE.plural],
  scope: 'Cluster',
};

function olderFirst(left: RuleGroup, right: RuleGroup): number {
  return oldest(left) - oldest(right) || compareText(left.id, right.id);
}

function oldest({ rules }: RuleGroup): number {
  return Math.min(...rules.map(({ object }) => Date.parse(object.creationTimestamp)));
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
