import { expect } from 'chai';
import { decide, type PodRule } from '../../../../src/admission/pods/rule.ts';
import type { NodeView } from '../../../../src/controller/nodes/node-view.ts';
import type { RowView } from '../../../../src/controller/nodes/row-view.ts';
import { podOutcome } from '../../../../src/controller/pods/pod-outcome.ts';
import type { KubePod } from '../../../../src/controller/pods/pod-view.ts';
import { rule } from '../../admission/pods/rules.ts';
import { nodeView, podView, revisionView, rowView, STARTED } from '../objects.ts';

const LOADED = { loaded: { 'aa-web': 'now' } };
const RETAINED = { object: 'web', profile: 'aa-web', revision: 'old', state: 'Retained', message: 'm' } as const;
const revisions = [
  revisionView({ hash: 'old', sequence: 1, unenforced: ['aa-web'] }),
  revisionView({ hash: 'now', sequence: 2, unenforced: ['aa-other'] }),
];

interface World {
  rules?: readonly PodRule[];
  node?: Partial<NodeView>;
  row?: Partial<RowView> | false;
  labels?: Record<string, string>;
}

function outcome(pod: KubePod, { rules = [rule('web')], node = {}, row = LOADED, labels = {} }: World = {}) {
  const view = podView(pod);
  return podOutcome({
    pod: view,
    decision: decide(view.shape.subject, { name: view.shape.namespace, labels }, rules, 'apparmor-operator'),
    objectUid: 'uid-web',
    host: { node: nodeView(node), row: row === false ? undefined : rowView(row) },
    revisions,
  });
}

const field = (localhostProfile: string) => ({ appArmorProfile: { type: 'Localhost', localhostProfile } });
const container = (name: string, profile?: string, more: object = {}) => ({
  name,
  ...(profile === undefined ? {} : { securityContext: { ...field(profile), ...more } }),
});
const containers = (...list: object[]): KubePod => ({ spec: { containers: list } });
const named = containers(container('web', 'aa-web'));
const bare = containers(container('web'));
const waiting: KubePod = { ...named, status: { phase: 'Pending', containerStatuses: [{ name: 'web', state: {} }] } };
const RUNTIME_DEFAULT = { appArmorProfile: { type: 'RuntimeDefault' } };
const noted = (object: string, name = 'web'): NonNullable<KubePod['metadata']> => ({
  annotations: {
    'apparmor-operator.dev/confined-by': JSON.stringify({ [object]: { revision: 'r', containers: [name] } }),
  },
});
const annotation = (value: string): NonNullable<KubePod['metadata']> => ({
  annotations: { 'container.apparmor.security.beta.kubernetes.io/web': value },
});
const lost = (since: string): World => ({ row: { ...LOADED, loadedSince: { 'aa-web': since } } });
const crio: World = { node: { crio: true } };

const TABLE: [title: string, pod: KubePod, world: World, expected: string][] = [
  ['names the profile', named, {}, 'confined'],
  ['names it for the whole pod', { spec: { securityContext: field('aa-web') } }, {}, 'confined'],
  ['names it by the annotation alone', { ...bare, metadata: annotation('localhost/aa-web') }, {}, 'confined'],
  ['waits to start under it', waiting, {}, 'confined'],
  ['every container', containers(container('web', 'aa-web'), container('b', 'aa-web')), {}, 'confined'],
  ['an ephemeral one is not meant', { spec: { ephemeralContainers: [container('x')], ...named.spec } }, {}, 'confined'],
  [
    'others are not meant',
    containers(container('web', 'aa-web'), container('b')),
    { rules: [rule('web', { containers: ['web'] })] },
    'confined',
  ],
  ['held in an earlier revision, by its mode', named, { row: { loaded: { 'aa-web': 'old' } } }, 'complaining'],
  [
    'held, but not wanted there any more',
    named,
    { row: { problems: [{ ...RETAINED, reason: 'InUse' }] } },
    'complaining',
  ],
  [
    'replaced by something else there',
    named,
    { row: { problems: [{ ...RETAINED, reason: 'NotOurs' }] } },
    'pendingRestart NodeDoesNotHold',
  ],
  ['names none', bare, {}, 'pendingRestart NoProfile'],
  ['none, and does not run yet', { ...waiting, ...bare }, {}, 'pendingRestart NoProfile'],
  [
    'in an init container',
    { spec: { initContainers: [container('i')], ...named.spec } },
    {},
    'pendingRestart PartlyConfined',
  ],
  ['in one container', containers(container('web', 'aa-web'), container('b')), {}, 'pendingRestart PartlyConfined'],
  [
    'beside a profile of its own',
    containers({ name: 'web', securityContext: RUNTIME_DEFAULT }, container('b')),
    {},
    'pendingRestart NoProfile',
  ],
  [
    'an earlier name of the profile',
    { ...containers(container('web', 'aa-old')), metadata: noted('web') },
    {},
    'pendingRestart EarlierRule',
  ],
  [
    'one of another object',
    { ...containers(container('web', 'aa-b')), metadata: noted('b') },
    {},
    'pendingRestart EarlierRule',
  ],
  [
    'a note about another container',
    { ...containers(container('web', 'aa-b')), metadata: noted('b', 'x') },
    {},
    'skipped OwnProfile',
  ],
  [
    'a note about what is no profile',
    { metadata: noted('b'), ...containers({ name: 'web', securityContext: RUNTIME_DEFAULT }) },
    {},
    'skipped OwnProfile',
  ],
  ['a container called constructor', containers(container('constructor', 'aa-b')), {}, 'skipped OwnProfile'],
  ['lost after it started', named, lost('2030-01-01T00:10:01.2Z'), 'pendingRestart ConfinementLost'],
  ['lost in the second in which it started', named, lost('2030-01-01T00:10:00.9Z'), 'pendingRestart ConfinementLost'],
  ['lost before it started', named, lost('2030-01-01T00:09:59.9Z'), 'confined'],
  ['lost while it waited', waiting, lost('2030-01-01T00:11:00Z'), 'confined'],
  ['another profile lost', named, { row: { ...LOADED, loadedSince: { other: '2031-01-01T00:00:00Z' } } }, 'confined'],
  [
    'started anew after the loss',
    {
      ...named,
      status: { containerStatuses: [{ name: 'web', state: { running: { startedAt: '2030-01-01T00:12:00Z' } } }] },
    },
    lost('2030-01-01T00:11:00Z'),
    'confined',
  ],
  ['the node has no row', named, { row: false }, 'pendingRestart NodeDoesNotHold'],
  ['has a row of an earlier boot', named, { node: { bootID: 'later' } }, 'pendingRestart NodeDoesNotHold'],
  [
    'has never reported',
    named,
    { node: { bootID: '' }, row: { ...LOADED, bootID: '' } },
    'pendingRestart NodeDoesNotHold',
  ],
  ['does not enforce', named, { row: { ...LOADED, enforcing: false } }, 'pendingRestart NodeDoesNotHold'],
  ['does not hold it', named, { row: {} }, 'pendingRestart NodeDoesNotHold'],
  ['holds what is not of this object', named, { row: { loaded: { 'aa-web': 'x' } } }, 'pendingRestart NodeDoesNotHold'],
  ['own profile', { spec: { securityContext: RUNTIME_DEFAULT } }, {}, 'skipped OwnProfile'],
  [
    'own profile of one',
    containers(container('web', 'aa-web'), { name: 'b', securityContext: RUNTIME_DEFAULT }),
    {},
    'skipped OwnProfile',
  ],
  ['own annotation', { ...bare, metadata: annotation('unconfined') }, {}, 'skipped OwnAnnotation'],
  ['kube-system', { metadata: { namespace: 'kube-system' } }, {}, 'skipped Namespace'],
  ['a namespace that opted out', bare, { labels: { 'apparmor-operator.dev/inject': 'disabled' } }, 'skipped Namespace'],
  ['a mirror pod', { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }, {}, 'skipped MirrorPod'],
  [
    'privileged on CRI-O',
    containers(container('web', 'aa-web', { privileged: true })),
    crio,
    'skipped PrivilegedOnCrio',
  ],
  ['privileged elsewhere', containers(container('web', 'aa-web', { privileged: true })), {}, 'confined'],
  [
    'privileged on CRI-O beside one that is not',
    containers({ name: 'p', securityContext: { privileged: true } }, container('web')),
    crio,
    'pendingRestart NoProfile',
  ],
  ['none of its containers', bare, { rules: [rule('web', { containers: ['x'] })] }, 'skipped NoSuchContainer'],
  [
    'none of its containers, all of them another’s',
    bare,
    { rules: [rule('web', { containers: ['x'] }), rule('b')] },
    'skipped NoSuchContainer',
  ],
  ['not selected at all', bare, { rules: [] }, 'skipped NoSuchContainer'],
  ['another object decides', named, { rules: [rule('web'), rule('high', { priority: 1 })] }, 'skipped OtherObject'],
  [
    'another decides for one container',
    containers(container('web', 'aa-web'), container('b', 'aa-high')),
    { rules: [rule('web'), rule('high', { priority: 1, containers: ['b'] })] },
    'confined',
  ],
  ['it decides itself', named, { rules: [rule('web'), rule('low', { priority: -1 })] }, 'confined'],
];

describe('podOutcome', () => {
  for (const [title, pod, world, expected] of TABLE) {
    it(`${title}: ${expected}`, () => {
      const found = outcome(pod, world);
      expect('reason' in found ? `${found.kind} ${found.reason}` : found.kind).to.equal(expected);
    });
  }

  for (const [pod, world, message] of [
    [
      bare,
      {},
      'container web has no profile instead of aa-web; the pod is older than the rule, or came to match it later: restart it (ReplicaSet web)',
    ],
    [{ ...bare, metadata: { ownerReferences: [] } }, {}, 'came to match it later: delete it and create it anew'],
    [
      named,
      lost('2030-01-01T00:11:00.5Z'),
      'container web runs unconfined: the profile aa-web was removed from the kernel of node a, and put back at 2030-01-01T00:11:00.5Z; restart it',
    ],
    [
      named,
      { row: { problems: [{ ...RETAINED, state: 'Conflict', reason: 'LoadedBySomethingElse' }] } },
      'node a does not hold the profile aa-web: LoadedBySomethingElse; see the node in',
    ],
    [named, { rules: [rule('web'), rule('high', { priority: 1 })] }, 'AppArmorProfile high decides for it'],
    [
      { spec: { securityContext: RUNTIME_DEFAULT } },
      {},
      'container web keeps its own profile: its securityContext says RuntimeDefault',
    ],
    [
      { ...containers(container('web', 'aa-b')), metadata: noted('b') },
      {},
      'container web has the profile aa-b from an earlier rule of AppArmorProfile b instead of aa-web',
    ],
  ] as [KubePod, World, string][]) {
    it(`says: ${message}`, () => {
      const found = outcome(pod, world);
      expect('message' in found ? found.message : '').to.contain(message);
    });
  }

  for (const [title, pod, world, runsWithout] of [
    ['runs without any', bare, {}, true],
    ['waits without any', { ...waiting, ...bare }, {}, false],
    ['runs where it is not held', named, { row: {} }, true],
    ['waits where it is not held', waiting, { row: {} }, false],
    ['runs where nobody has reported since the boot', named, { row: false }, false],
    ['lost it', named, lost('2030-01-01T00:11:00Z'), true],
  ] as [string, KubePod, World, boolean][]) {
    it(`${title}: ${runsWithout ? 'known to run without' : 'not known to run without'}`, () => {
      expect(outcome(pod, world)).to.deep.include({ kind: 'pendingRestart', runsWithout });
    });
  }

  it('the worst of several containers counts', () => {
    const both = {
      ...containers(container('web', 'aa-web'), container('b')),
      status: { containerStatuses: [{ name: 'web', state: { running: { startedAt: STARTED } } }] },
    };
    expect(outcome(both, lost('2030-01-01T00:11:00Z'))).to.deep.include({ reason: 'ConfinementLost' });
  });
});
