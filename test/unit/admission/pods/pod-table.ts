import type { LabelSelector } from '../../../../src/admission/pods/label-selector.ts';
import type { PodRule } from '../../../../src/admission/pods/rule.ts';
import { rule } from './rules.ts';

/** `spec.pods` of the objects that all cases are decided by; test/cluster creates them as AppArmorProfiles. */
export interface TableRule {
  name: string;
  namespaceSelector: LabelSelector;
  selector?: LabelSelector;
  containers?: string[];
  priority?: number;
}

/** On the table's namespaces alone: the objects leave all other pods of a shared API server alone. */
export const TABLE_LABEL = 'pods-table';

const here: LabelSelector = { matchLabels: { [TABLE_LABEL]: 'yes' } };

function app(name: string): LabelSelector {
  return { matchLabels: { app: name } };
}

/** In the order of their creation. */
export const TABLE_RULES: readonly TableRule[] = [
  { name: 'web', namespaceSelector: here, selector: app('web') },
  {
    name: 'high',
    namespaceSelector: here,
    selector: {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['api', 'web'] }],
    },
    priority: 10,
  },
  { name: 'named', namespaceSelector: here, selector: app('named'), containers: ['one', 'init'] },
  { name: 'older', namespaceSelector: here, selector: app('tie') },
  {
    name: 'younger',
    namespaceSelector: here,
    selector: {
      matchExpressions: [
        { key: 'app', operator: 'In', values: ['tie'] },
        { key: 'app', operator: 'Exists' },
      ],
    },
  },
  { name: 'parts', namespaceSelector: here, selector: app('parts'), containers: ['one'], priority: 5 },
  { name: 'rest', namespaceSelector: here, selector: app('parts') },
  { name: 'team-b', namespaceSelector: { matchLabels: { [TABLE_LABEL]: 'yes', team: 'b' } } },
  {
    name: 'not-db',
    namespaceSelector: here,
    selector: {
      matchExpressions: [
        { key: 'kind', operator: 'Exists' },
        { key: 'tier', operator: 'NotIn', values: ['db', 'cache'] },
        { key: 'legacy', operator: 'DoesNotExist' },
      ],
    },
  },
];

export const RULES: readonly PodRule[] = TABLE_RULES.map(({ name, ...spec }, index) =>
  rule(name, {
    ...spec,
    object: { name, uid: `uid-${name}`, creationTimestamp: `2026-11-01T00:00:0${index}Z` },
  }),
);

export type TableNamespace = 'a' | 'b' | 'disabled' | 'elsewhere' | 'kube-system';

export const NAMESPACE_LABELS: Record<TableNamespace, Record<string, string>> = {
  a: { [TABLE_LABEL]: 'yes', team: 'a' },
  b: { [TABLE_LABEL]: 'yes', team: 'b' },
  disabled: { [TABLE_LABEL]: 'yes', team: 'a', 'apparmor-operator.dev/inject': 'disabled' },
  elsewhere: {},
  'kube-system': { [TABLE_LABEL]: 'yes' },
};

export interface Pod {
  apiVersion: 'v1';
  kind: 'Pod';
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: Record<string, unknown> & { initContainers?: Container[]; containers: Container[] };
}

type Container = Record<string, unknown> & { name: string };

export interface Case {
  what: string;
  namespace: TableNamespace;
  pod: Pod;
  /** Per container that is confined by us: name of the rule. */
  confined: Record<string, string>;
  /** Why the whole pod is left alone. */
  untouched?: string;
  /** Why a container is left alone; absent: no rule names it. */
  skipped?: Record<string, string>;
}

export const ANNOTATION_PREFIX = 'container.apparmor.security.beta.kubernetes.io/';

const LOCALHOST = { type: 'Localhost', localhostProfile: 'aa-mine' };

function container(name: string, more: object = {}): Container {
  return { name, image: 'example.test/image', ...more };
}

function withProfile(name: string, appArmorProfile: object, more: object = {}): Container {
  return container(name, { securityContext: { ...more, appArmorProfile } });
}

interface Draft {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  namespace?: TableNamespace;
  spec?: Record<string, unknown>;
  init?: Container[];
  containers?: Container[];
  confined?: Record<string, string>;
  untouched?: string;
  skipped?: Record<string, string>;
}

const WEB = { app: 'web' };
const ONE = { one: 'web' };

function each(what: string, draft: Draft): Case {
  const { namespace = 'a', labels, annotations, untouched, skipped } = draft;
  return {
    what,
    namespace,
    pod: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'pod',
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
      },
      spec: {
        ...draft.spec,
        ...(draft.init === undefined ? {} : { initContainers: draft.init }),
        containers: draft.containers ?? [container('one')],
      },
    },
    confined: draft.confined ?? {},
    ...(untouched === undefined ? {} : { untouched }),
    ...(skipped === undefined ? {} : { skipped }),
  };
}

/** A pod that `web` means and confines. */
function web(what: string, draft: Draft = {}): Case {
  return each(what, { labels: WEB, confined: ONE, ...draft });
}

/** A pod that `web` means, all of which is left alone. */
function alone(what: string, untouched: string, draft: Draft): Case {
  return web(what, { confined: {}, untouched, ...draft });
}

/** A pod that `web` means, with one container that is left alone. */
function skip(what: string, reason: string, draft: Draft): Case {
  return web(what, { confined: {}, skipped: { one: reason }, ...draft });
}

const many = Array.from({ length: 100 }, (_, index) => `${'c'.repeat(59)}-${String(index).padStart(3, '0')}`);
const sixtyFive = Array.from({ length: 65 }, (_, index) => [`example.test/n${index}`, `value ${index}`]);

export const CASES: readonly Case[] = [
  // Which rule means the pod.
  each('no labels at all', { untouched: 'unmatched' }),
  each('another app', { labels: { app: 'other' }, untouched: 'unmatched' }),
  web('the least pod'),
  web('more labels than the selector names', { labels: { app: 'web', x: 'y' } }),
  each('a value in another case', { labels: { app: 'Web' }, untouched: 'unmatched' }),
  each('the same labels in a namespace that is not meant', {
    labels: WEB,
    namespace: 'elsewhere',
    untouched: 'unmatched',
  }),
  each('a namespace selector alone: every pod', { namespace: 'b', confined: { one: 'team-b' } }),
  each('a namespace selector alone and labels that nobody names', {
    namespace: 'b',
    labels: { x: 'y' },
    confined: { one: 'team-b' },
  }),
  web('in team b, too: web is the older object', { namespace: 'b' }),
  each('Exists, NotIn where the label is absent', { labels: { kind: '' }, confined: { one: 'not-db' } }),
  each('NotIn with another value', { labels: { kind: 'x', tier: 'api' }, confined: { one: 'not-db' } }),
  each('NotIn with the value', { labels: { kind: 'x', tier: 'cache' }, untouched: 'unmatched' }),
  each('DoesNotExist with the label', { labels: { kind: 'x', legacy: '' }, untouched: 'unmatched' }),
  // Which of several.
  each('the higher priority', { labels: { app: 'web', tier: 'api' }, confined: { one: 'high' } }),
  each('a tier that the higher priority does not mean', { labels: { app: 'web', tier: 'db' }, confined: ONE }),
  each('equal priorities: the older object', { labels: { app: 'tie' }, confined: { one: 'older' } }),
  each('decided per container', {
    labels: { app: 'parts' },
    containers: [container('two'), container('one')],
    init: [container('three')],
    confined: { one: 'parts', two: 'rest', three: 'rest' },
  }),
  each('three rules', { labels: { app: 'web', tier: 'web', kind: 'x' }, namespace: 'b', confined: { one: 'high' } }),
  // Which containers.
  each('containers: the named ones', {
    labels: { app: 'named' },
    init: [container('init'), container('other-init')],
    containers: [container('one'), container('two')],
    confined: { one: 'named', init: 'named' },
  }),
  each('containers: none of the pod', { labels: { app: 'named' }, containers: [container('two')] }),
  web('several containers', {
    containers: [container('one'), container('two'), container('three')],
    confined: { one: 'web', two: 'web', three: 'web' },
  }),
  web('init containers', { init: [container('init')], confined: { one: 'web', init: 'web' } }),
  web('native sidecars', {
    init: [container('first'), container('sidecar', { restartPolicy: 'Always' }), container('last')],
    confined: { one: 'web', first: 'web', sidecar: 'web', last: 'web' },
  }),
  web('100 containers with names of 63 characters', {
    containers: many.map((name) => container(name)),
    confined: Object.fromEntries(many.map((name) => [name, 'web'])),
  }),
  web('a container called like a member of every object', {
    containers: [container('constructor')],
    confined: { constructor: 'web' },
  }),
  web('names of digits', { containers: [container('0'), container('1-0')], confined: { 0: 'web', '1-0': 'web' } }),
  // Security contexts.
  web('an empty security context', { containers: [container('one', { securityContext: {} })] }),
  web('a partial security context', {
    containers: [container('one', { securityContext: { runAsUser: 1000, capabilities: { drop: ['ALL'] } } })],
  }),
  web('another seccomp profile', {
    containers: [container('one', { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } })],
  }),
  web('SELinux options', { containers: [container('one', { securityContext: { seLinuxOptions: { level: 's0' } } })] }),
  web('privileged', { containers: [container('one', { securityContext: { privileged: true } })] }),
  web('read-only, no new privileges', {
    containers: [
      container('one', { securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false } }),
    ],
  }),
  web('a pod security context without a profile', { spec: { securityContext: { runAsNonRoot: true, fsGroup: 1 } } }),
  web('an empty pod security context', { spec: { securityContext: {} } }),
  web('one container with a context, one without', {
    containers: [container('one', { securityContext: { runAsUser: 1 } }), container('two')],
    confined: { one: 'web', two: 'web' },
  }),
  // What the author has set.
  skip('own Localhost profile', 'OwnProfile', { containers: [withProfile('one', LOCALHOST)] }),
  skip('own RuntimeDefault', 'OwnProfile', { containers: [withProfile('one', { type: 'RuntimeDefault' })] }),
  skip('own Unconfined', 'OwnProfile', { containers: [withProfile('one', { type: 'Unconfined' }, { runAsUser: 1 })] }),
  web('our profile by the author', {
    containers: [withProfile('one', { type: 'Localhost', localhostProfile: 'aa-web' })],
    confined: {},
    skipped: { one: 'confined' },
  }),
  web('one with its own, one without', {
    containers: [withProfile('one', { type: 'Unconfined' }), container('two')],
    confined: { two: 'web' },
    skipped: { one: 'OwnProfile' },
  }),
  web('an init container with its own', {
    init: [withProfile('init', { type: 'RuntimeDefault' })],
    skipped: { init: 'OwnProfile' },
  }),
  alone('pod-level Localhost', 'OwnProfile', { spec: { securityContext: { appArmorProfile: LOCALHOST } } }),
  alone('pod-level RuntimeDefault', 'OwnProfile', {
    spec: { securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } },
  }),
  alone('pod-level Unconfined', 'OwnProfile', {
    spec: { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
  }),
  alone('pod-level profile that is ours', 'OwnProfile', {
    spec: { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'aa-web' } } },
  }),
  alone('pod-level and container', 'OwnProfile', {
    spec: { securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } },
    containers: [withProfile('one', LOCALHOST), container('two')],
  }),
  skip('own annotation localhost', 'OwnAnnotation', {
    annotations: { [`${ANNOTATION_PREFIX}one`]: 'localhost/aa-mine' },
  }),
  skip('own annotation runtime/default', 'OwnAnnotation', {
    annotations: { [`${ANNOTATION_PREFIX}one`]: 'runtime/default' },
  }),
  skip('own annotation unconfined', 'OwnAnnotation', { annotations: { [`${ANNOTATION_PREFIX}one`]: 'unconfined' } }),
  web('our profile by an annotation: the field is added', {
    annotations: { [`${ANNOTATION_PREFIX}one`]: 'localhost/aa-web' },
  }),
  skip('field and annotation in agreement', 'OwnProfile', {
    annotations: { [`${ANNOTATION_PREFIX}one`]: 'localhost/aa-mine' },
    containers: [withProfile('one', LOCALHOST)],
  }),
  web('annotation of one container, nothing of the other', {
    annotations: { [`${ANNOTATION_PREFIX}two`]: 'unconfined' },
    containers: [container('one'), container('two')],
    skipped: { two: 'OwnAnnotation' },
  }),
  // Annotations.
  web('an empty map of annotations', { annotations: {} }),
  web('annotations of others', { annotations: { note: 'x', 'example.test/a.b_c': '{"json": "~/"}' } }),
  web('65 annotations', { annotations: Object.fromEntries(sixtyFive) }),
  web('an annotation of a family that is not for containers', {
    annotations: { 'apparmor.security.beta.kubernetes.io/defaultProfileName': 'localhost/x' },
  }),
  // What somebody writes who wants to be taken for confined.
  web('our note by the author, nothing else', {
    annotations: { 'apparmor-operator.dev/confined-by': '{"web":{"revision":"r","containers":["one"]}}' },
  }),
  web('our note by the author, not JSON', { annotations: { 'apparmor-operator.dev/confined-by': 'x' } }),
  web('our note by the author, other JSON', { annotations: { 'apparmor-operator.dev/confined-by': '{"web":[]}' } }),
  // Pods that are never touched.
  alone('a namespace that has opted out', 'Namespace', { namespace: 'disabled' }),
  alone('kube-system', 'Namespace', { namespace: 'kube-system' }),
  alone('system-node-critical', 'SystemCritical', { spec: { priorityClassName: 'system-node-critical' } }),
  alone('system-cluster-critical', 'SystemCritical', { spec: { priorityClassName: 'system-cluster-critical' } }),
  alone('Windows by spec.os', 'Windows', { spec: { os: { name: 'windows' } } }),
  alone('Windows by nodeSelector', 'Windows', { spec: { nodeSelector: { 'kubernetes.io/os': 'windows' } } }),
  alone('Windows by the old label', 'Windows', { spec: { nodeSelector: { 'beta.kubernetes.io/os': 'windows' } } }),
  alone('a mirror pod', 'MirrorPod', {
    annotations: { 'kubernetes.io/config.mirror': 'x' },
    spec: { nodeName: 'nowhere', automountServiceAccountToken: false },
  }),
  web('Linux by spec.os', { spec: { os: { name: 'linux' } } }),
  web('Linux by nodeSelector', { spec: { nodeSelector: { 'kubernetes.io/os': 'linux' } } }),
  // Other kinds of pods.
  web('hostNetwork, hostPID, hostIPC', { spec: { hostNetwork: true, hostPID: true, hostIPC: true } }),
  web('a user namespace', { spec: { hostUsers: false } }),
  web('bound to a node', { spec: { nodeName: 'nowhere' } }),
  web('a Job’s pod', { spec: { restartPolicy: 'Never', activeDeadlineSeconds: 60 } }),
  web('volumes, ports, probes, environment, lifecycle', {
    spec: { volumes: [{ name: 'v', emptyDir: {} }], tolerations: [{ operator: 'Exists' }] },
    containers: [
      container('one', {
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
        ports: [{ containerPort: 80 }, { containerPort: 80, protocol: 'UDP' }],
        volumeMounts: [{ name: 'v', mountPath: '/v' }],
        readinessProbe: { httpGet: { path: '/', port: 80 } },
        lifecycle: { preStop: { exec: { command: ['true'] } } },
        resources: { limits: { memory: '64Mi' } },
      }),
    ],
  }),
];
