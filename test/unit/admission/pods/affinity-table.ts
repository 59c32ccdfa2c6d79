import { rule } from './rules.ts';

/** Pods and what becomes of their node affinity; test/cluster sends the same pods through the real API server. */
export interface AffinityCase {
  what: string;
  /** Members of the pod's spec besides its containers. */
  spec: Record<string, unknown>;
  /** Whether some node cannot enforce. */
  mixed: boolean;
  /** Labels that the pod has; default: those that mean the object without a nodeSelector. */
  app?: 'plain' | 'pool' | 'both';
  /** spec.affinity afterwards. */
  affinity: unknown;
}

export const AFFINITY_RULES = [
  rule('plain', { selector: selector('plain') }),
  rule('pool', { selector: selector('pool'), nodeSelector: { pool: 'a', disk: 'ssd' } }),
  rule('one', { selector: selector('both'), containers: ['one'], nodeSelector: { pool: 'a' } }),
  rule('two', { selector: selector('both'), containers: ['two'], nodeSelector: { pool: 'a', zone: 'z' } }),
];

function selector(app: string): { matchLabels: Record<string, string> } {
  return { matchLabels: { app } };
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

function required(...terms: unknown[]): unknown {
  return { nodeAffinity: { [REQUIRED]: { nodeSelectorTerms: terms } } };
}

function labels(pairs: Record<string, string>): { key: string; operator: string; values: string[] }[] {
  return Object.entries(pairs).map(([key, value]) => ({ key, operator: 'In', values: [value] }));
}

const enforcing = labels({ 'apparmor-operator.dev/enforcing': 'true' });
const pool = labels({ disk: 'ssd', pool: 'a' });
const gpu = { key: 'gpu', operator: 'Exists' };
const old = { key: 'age', operator: 'Gt', values: ['3'] };
const named = { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-a'] }] };
const preferred = {
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: { matchExpressions: [gpu] } }],
};
const apart = {
  podAntiAffinity: {
    [REQUIRED]: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } }],
  },
};

export const AFFINITY_CASES: readonly AffinityCase[] = [
  { what: 'nothing where every node enforces', spec: {}, mixed: false, affinity: undefined },
  { what: 'what the author asks for stays where every node enforces', spec: { affinity: required({ matchExpressions: [gpu] }) }, mixed: false, affinity: required({ matchExpressions: [gpu] }) }, // prettier-ignore
  { what: 'a pod without affinity', spec: {}, mixed: true, affinity: required({ matchExpressions: enforcing }) },
  { what: 'an empty affinity', spec: { affinity: {} }, mixed: true, affinity: required({ matchExpressions: enforcing }) }, // prettier-ignore
  { what: 'an empty node affinity', spec: { affinity: { nodeAffinity: {} } }, mixed: true, affinity: required({ matchExpressions: enforcing }) }, // prettier-ignore
  {
    what: 'affinity to other pods alone',
    spec: { affinity: apart },
    mixed: true,
    affinity: { ...apart, ...(required({ matchExpressions: enforcing }) as object) },
  },
  {
    what: 'a preference alone',
    spec: { affinity: { nodeAffinity: preferred } },
    mixed: true,
    affinity: { nodeAffinity: { ...preferred, [REQUIRED]: { nodeSelectorTerms: [{ matchExpressions: enforcing }] } } },
  },
  {
    what: 'every one of several terms, as they are alternatives',
    spec: { affinity: required({ matchExpressions: [gpu] }, { matchExpressions: [old, gpu] }) },
    mixed: true,
    affinity: required({ matchExpressions: [gpu, ...enforcing] }, { matchExpressions: [old, gpu, ...enforcing] }),
  },
  {
    what: 'a term of fields alone, as DaemonSets make it',
    spec: { affinity: required(named) },
    mixed: true,
    affinity: required({ ...named, matchExpressions: enforcing }),
  },
  {
    what: 'an empty term, which selects no node and goes on doing so',
    spec: { affinity: required({}, { matchExpressions: [gpu] }) },
    mixed: true,
    affinity: required({}, { matchExpressions: [gpu, ...enforcing] }),
  },
  {
    what: 'what is there already is not added again',
    spec: { affinity: required({ matchExpressions: [...enforcing, gpu] }) },
    mixed: true,
    affinity: required({ matchExpressions: [...enforcing, gpu] }),
  },
  {
    what: 'a node selector of the author that says the same',
    spec: { nodeSelector: { 'apparmor-operator.dev/enforcing': 'true' } },
    mixed: true,
    affinity: undefined,
  },
  { what: 'a pod that is bound already', spec: { nodeName: 'node-a' }, mixed: true, affinity: undefined },
  { what: 'the object’s nodes', spec: {}, mixed: false, app: 'pool', affinity: required({ matchExpressions: pool }) },
  {
    what: 'the object’s nodes that enforce',
    spec: {},
    mixed: true,
    app: 'pool',
    affinity: required({ matchExpressions: [...enforcing, ...pool] }),
  },
  {
    what: 'the rest of what the author’s node selector says',
    spec: { nodeSelector: { pool: 'a' } },
    mixed: false,
    app: 'pool',
    affinity: required({ matchExpressions: labels({ disk: 'ssd' }) }),
  },
  {
    what: 'a node selector of the author that contradicts: no node',
    spec: { nodeSelector: { pool: 'b' } },
    mixed: false,
    app: 'pool',
    affinity: required({ matchExpressions: pool }),
  },
  {
    what: 'the nodes of all objects that confine one of its containers',
    spec: {},
    mixed: false,
    app: 'both',
    affinity: required({ matchExpressions: labels({ pool: 'a', zone: 'z' }) }),
  },
  {
    what: 'a container whose author chose: only the other object’s nodes',
    spec: {
      containers: [
        { name: 'one', image: 'x' },
        { name: 'two', image: 'x', securityContext: { appArmorProfile: { type: 'Unconfined' } } },
      ],
    },
    mixed: false,
    app: 'both',
    affinity: required({ matchExpressions: labels({ pool: 'a' }) }),
  },
  {
    what: 'a pod whose author chose for all of it',
    spec: { securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } },
    mixed: true,
    app: 'pool',
    affinity: undefined,
  },
  {
    what: 'a pod whose author names the profile, which needs its nodes as well',
    spec: {
      containers: [
        {
          name: 'one',
          image: 'x',
          securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'aa-pool' } },
        },
      ],
    },
    mixed: true,
    app: 'pool',
    affinity: required({ matchExpressions: [...enforcing, ...pool] }),
  },
];

/** The pod of a case. */
export function affinityPod({ spec, app = 'plain' }: AffinityCase): {
  metadata: object;
  spec: Record<string, unknown>;
} {
  const containers = ['one', 'two'].map((name) => ({ name, image: 'x' }));
  return { metadata: { name: 'affinity', labels: { app } }, spec: { containers, ...spec } };
}
