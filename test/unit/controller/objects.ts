import type { AppArmorProfile, AppArmorProfileSpec } from '../../../src/api/generated/index.ts';
import type { AgentState } from '../../../src/controller/nodes/agent-presence.ts';
import type { NodeView } from '../../../src/controller/nodes/node-view.ts';
import type { RowView } from '../../../src/controller/nodes/row-view.ts';
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
    nodeSelector: {},
    ...change,
  };
}

export function nodeView(change: Partial<NodeView> = {}): NodeView {
  return { name: 'a', uid: 'uid-a', createdAt: 0, labels: {}, bootID: 'boot', ready: true, virtual: false, ...change };
}

export function rowView(change: Partial<RowView> = {}): RowView {
  return {
    name: 'a',
    uid: 'uid-row-a',
    deleting: false,
    owners: [{ apiVersion: 'v1', kind: 'Node', name: 'a', uid: 'uid-a' }],
    bootID: 'boot',
    enforcing: true,
    reason: '',
    message: '',
    loaded: {},
    problems: [],
    drift: [],
    unload: [],
    ...change,
  };
}

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
