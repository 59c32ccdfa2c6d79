import type { AppArmorProfile, AppArmorProfileSpec } from '../../../src/api/generated/index.ts';
import type { AgentState } from '../../../src/controller/nodes/agent-presence.ts';
import type { NodeView } from '../../../src/controller/nodes/node-view.ts';
import type { RowView } from '../../../src/controller/nodes/row-view.ts';
import { createPodViewer, type KubePod, type PodView } from '../../../src/controller/pods/pod-view.ts';
import type { ProfileView } from '../../../src/controller/profiles/profile-view.ts';
import type { RevisionView } from '../../../src/controller/revisions/revision-view.ts';
import type { NodeFacts } from '../../../src/controller/status/node-outcome.ts';

export const HASH = 'aaaaaaaaaaaa';

export function policy(...names: string[]): string {
  return names.map((name) => `profile ${name} {\n  file,\n}\n`).join('');
}

export function profileObject(spec: Partial<AppArmorProfileSpec>, metadata: object = {}): AppArmorProfile {
  return {
    metadata: {
      name: 'web',
      uid: 'uid-web',
      resourceVersion: '10',
      generation: 1,
      creationTimestamp: '2030-01-01T00:00:00Z',
      ...metadata,
    },
    spec: { policy: policy('web'), ...spec },
  };
}

export function profileView(change: Partial<ProfileView> = {}): ProfileView {
  return {
    name: 'web',
    uid: 'uid-web',
    resourceVersion: '10',
    generation: 2,
    creationTimestamp: '2030-01-01T00:00:00Z',
    deleting: false,
    nodeSelector: {},
    evicts: false,
    verdict: { kind: 'accepted', hash: HASH, profiles: ['web'] },
    ...change,
  };
}

export function revisionView(change: Partial<RevisionView> = {}): RevisionView {
  const hash = change.hash ?? HASH;
  return {
    name: `web-${hash}`,
    uid: `uid-${hash}`,
    resourceVersion: '20',
    deleting: false,
    objectUid: 'uid-web',
    objectName: 'web',
    hash,
    sequence: 1,
    owners: [{ apiVersion: 'apparmor-operator.dev/v1alpha1', kind: 'AppArmorProfile', name: 'web', uid: 'uid-web' }],
    profiles: ['web'],
    mode: 'Enforce',
    unenforced: [],
    nodeSelector: {},
    ...change,
  };
}

export function nodeView(change: Partial<NodeView> = {}): NodeView {
  return {
    name: 'a',
    uid: 'uid-a',
    createdAt: 0,
    labels: {},
    bootID: 'boot',
    ready: true,
    virtual: false,
    crio: false,
    ...change,
  };
}

export function rowView(change: Partial<RowView> = {}): RowView {
  return {
    name: 'a',
    uid: 'uid-row-a',
    deleting: false,
    owners: [{ apiVersion: 'v1', kind: 'Node', name: 'a', uid: 'uid-a' }],
    trackedAt: undefined,
    bootID: 'boot',
    enforcing: true,
    reason: '',
    message: '',
    loaded: {},
    loadedSince: {},
    problems: [],
    drift: [],
    unload: [],
    ...change,
  };
}

/** A pod `shop/web-1` of a ReplicaSet on node `a`, with one container `web` that runs; `given` in the form of the API. */
export function podView(given: KubePod = {}): PodView {
  const view = createPodViewer()({
    ...given,
    metadata: {
      name: 'web-1',
      namespace: 'shop',
      uid: 'uid-web-1',
      ownerReferences: [{ kind: 'ReplicaSet', name: 'web', uid: 'uid-rs', controller: true }],
      ...given.metadata,
    },
    spec: { nodeName: 'a', containers: [{ name: 'web' }], ...given.spec },
    status: {
      phase: 'Running',
      containerStatuses: [{ name: 'web', state: { running: { startedAt: STARTED } } }],
      ...given.status,
    },
  });
  if (view === undefined) throw new Error('not a pod that is looked at');
  return view;
}

export const STARTED = '2030-01-01T00:10:00Z';

/** A node that enforces, with a Ready agent; `row` false: it has none. */
export function nodeFacts(
  name: string,
  row: Partial<RowView> | false,
  more: { node?: Partial<NodeView>; agent?: AgentState } = {},
): NodeFacts {
  return {
    node: nodeView({ name, uid: `uid-${name}`, ...more.node }),
    row: row === false ? undefined : rowView({ name, ...row }),
    agent: more.agent ?? { kind: 'ready' },
  };
}

export function loadedOn(name: string, hash = HASH): NodeFacts {
  return nodeFacts(name, { loaded: { web: hash } });
}

export function failedOn(name: string, problem: object = {}): NodeFacts {
  return nodeFacts(name, {
    problems: [
      {
        object: 'web',
        profile: 'web',
        revision: HASH,
        state: 'Failed',
        reason: 'CompileFailed',
        message: 'syntax error',
        line: 3,
        ...problem,
      },
    ],
  });
}
