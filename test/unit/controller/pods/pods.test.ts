import { expect } from 'chai';
import { createPodIndex } from '../../../../src/controller/pods/pod-index.ts';
import {
  createPodViewer,
  namedProfiles,
  samePod,
  type KubePod,
  type PodView,
} from '../../../../src/controller/pods/pod-view.ts';
import { podView, STARTED } from '../objects.ts';

const localhost = (localhostProfile: string) => ({ appArmorProfile: { type: 'Localhost', localhostProfile } });
const contained = (name: string) => [{ securityContext: localhost(name) }, {}];

function pod(spec: KubePod['spec'], more: { annotations?: Record<string, string>; phase?: string } = {}): KubePod {
  return {
    metadata: more.annotations === undefined ? {} : { annotations: more.annotations },
    spec: { nodeName: 'a', ...spec },
    ...(more.phase === undefined ? {} : { status: { phase: more.phase } }),
  };
}

const annotated = (value: string, container = 'web') => ({
  annotations: { [`container.apparmor.security.beta.kubernetes.io/${container}`]: value },
});

describe('namedProfiles', () => {
  for (const [title, given, profiles] of [
    ['named by the pod', pod({ securityContext: localhost('p') }), ['p']],
    ['by a container', pod({ containers: contained('p') }), ['p']],
    ['by an init container', pod({ initContainers: contained('p') }), ['p']],
    ['by an ephemeral container', pod({ ephemeralContainers: contained('p') }), ['p']],
    ['by an annotation', pod({}, annotated('localhost/p')), ['p']],
    ['by an annotation for a container that is not there', pod({}, annotated('localhost/p', 'none')), ['p']],
    [
      'each once, sorted',
      pod(
        { securityContext: localhost('q'), containers: contained('p'), initContainers: contained('q') },
        annotated('localhost/a/b'),
      ),
      ['a/b', 'p', 'q'],
    ],
    ['while it waits', pod({ containers: contained('p') }, { phase: 'Pending' }), ['p']],
    ['while nobody knows how it is', pod({ containers: contained('p') }, { phase: 'Unknown' }), ['p']],
    ['none', pod({ containers: [{}] }), []],
    ['another type', pod({ containers: [{ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }] }), []],
    ['an annotation of another value', pod({}, annotated('runtime/default')), []],
    ['another annotation', pod({}, { annotations: { other: 'localhost/p' } }), []],
    ['nothing known', {}, []],
  ] as const) {
    it(title, () => expect(namedProfiles(given)).to.deep.equal(profiles));
  }
});

const running = (startedAt?: string) => ({ running: startedAt === undefined ? {} : { startedAt } });

describe('createPodViewer', () => {
  const named = [{ name: 'web', ...contained('p')[0] }];
  for (const [title, spec, phase, kept] of [
    ['waits on its node', {}, 'Pending', true],
    ['runs', {}, 'Running', true],
    ['nobody knows how it is', {}, 'Unknown', true],
    ['is on no node', { nodeName: '' }, 'Pending', false],
    ['is done', {}, 'Succeeded', false],
    ['has failed', {}, 'Failed', false],
  ] as const) {
    it(`${kept ? 'keeps' : 'leaves out'} a pod that ${title}`, () => {
      const view = createPodViewer()(pod({ containers: named, ...spec }, { phase }));
      expect(view?.shape.profiles).to.deep.equal(kept ? ['p'] : undefined);
    });
  }

  it('keeps a pod that is ending until it has ended', () => {
    const ending = podView({ metadata: { deletionTimestamp: '2030-01-01T00:00:00Z' } });
    expect([ending.deleting, podView().deleting]).to.deep.equal([true, false]);
  });

  it('knows since when each container runs, in whole seconds and in the order of the containers', () => {
    const view = podView({
      spec: {
        initContainers: [{ name: 'init' }, { name: 'sidecar' }],
        containers: [{ name: 'web' }, { name: 'waits' }, { name: 'odd' }],
      },
      status: {
        initContainerStatuses: [
          { name: 'sidecar', state: running('2030-01-01T00:00:01.9Z') },
          { name: 'init', state: {} },
        ],
        containerStatuses: [
          { name: 'odd', state: running() },
          { name: 'web', state: running(STARTED) },
        ],
      },
    });
    const at = Date.parse('2030-01-01T00:00:00Z') / 1000;
    expect(view.runningSince).to.deep.equal([0, at + 1, at + 600, 0, 1]);
  });

  it('takes the profile of the container, else that of the pod, and keeps no other annotations', () => {
    const view = podView({
      metadata: {
        annotations: {
          big: 'x',
          'kubernetes.io/config.mirror': 'm',
          ...annotated('localhost/p').annotations,
          'apparmor-operator.dev/confined-by': '{"web":{"revision":"r","containers":["b"]}}',
        },
      },
      spec: {
        securityContext: { appArmorProfile: { type: 'RuntimeDefault' } },
        containers: [{ name: 'a' }, { name: 'b', securityContext: { ...localhost('p'), privileged: true } }],
      },
    });
    expect(view.shape.subject.profile).to.equal(undefined);
    expect(view.shape.subject.containers.map(({ profile }) => profile?.type)).to.deep.equal([
      'RuntimeDefault',
      'Localhost',
    ]);
    expect(Object.keys(view.shape.subject.annotations)).to.deep.equal([
      'kubernetes.io/config.mirror',
      'container.apparmor.security.beta.kubernetes.io/web',
    ]);
    expect(view.shape).to.deep.include({ givenBy: { b: 'web' }, privileged: ['b'], namespace: 'shop' });
  });

  it('names the owner that replaces the pod, and no other', () => {
    expect(podView().shape.owner).to.deep.equal({ kind: 'ReplicaSet', name: 'web', uid: 'uid-rs' });
    const ownerReferences = [{ kind: 'Backup', name: 'b', uid: 'u' }];
    expect(podView({ metadata: { ownerReferences } }).shape.owner).to.equal(undefined);
  });

  it('pods of one template share a shape; others do not, however many come and go', () => {
    const view = createPodViewer();
    const one = (name: string, app: string) =>
      view({ metadata: { name, labels: { app } }, spec: { nodeName: 'a', containers: [{ name: 'c' }] } })?.shape;
    const first = one('a', 'web');
    for (let index = 0; index < 3000; index += 1) one('x', `app-${index}`);
    expect(one('b', 'web')).to.equal(first);
    expect(one('b', 'other')).not.to.equal(first);
  });
});

describe('samePod', () => {
  const viewer = createPodViewer();
  const view = viewer(pod({ containers: [{ name: 'web' }] }));
  const other = viewer(pod({ containers: [{ name: 'other' }] }));
  if (view === undefined || other === undefined) throw new Error('not viewed');
  const changes: [Partial<PodView>, boolean][] = [
    [{}, true],
    [{ nodeName: 'b' }, false],
    [{ uid: 'b' }, false],
    [{ ready: true }, false],
    [{ deleting: true }, false],
    [{ runningSince: [7] }, false],
    [{ shape: other.shape }, false],
  ];
  for (const [change, same] of changes) {
    it(Object.keys(change).join() || 'nothing', () => expect(samePod(view, { ...view, ...change })).to.equal(same));
  }
});

function view(nodeName: string, ...profiles: string[]): PodView {
  return podView({
    spec: { nodeName, containers: profiles.map((name) => ({ name: 'c', securityContext: localhost(name) })) },
  });
}

describe('createPodIndex', () => {
  it('finds the pods of one node by the profile that they name', () => {
    const index = createPodIndex();
    index.changed('x/1', view('a', 'p'), undefined);
    index.changed('x/2', view('a', 'p', 'q'), undefined);
    index.changed('x/3', view('b', 'p'), undefined);
    expect(index.naming('a', 'p')).to.have.members(['x/1', 'x/2']);
    expect(index.naming('a', 'q')).to.deep.equal(['x/2']);
    expect(index.naming('b', 'q')).to.deep.equal([]);
    expect(index.naming('c', 'p')).to.deep.equal([]);
  });

  it('forgets a pod that is gone, and follows one that is another by now', () => {
    const index = createPodIndex();
    const first = view('a', 'p', 'q');
    index.changed('x/1', first, undefined);
    const second = view('b', 'p');
    index.changed('x/1', second, first);
    expect([index.naming('a', 'p'), index.naming('a', 'q')]).to.deep.equal([[], []]);
    expect(index.naming('b', 'p')).to.deep.equal(['x/1']);
    index.changed('x/1', undefined, second);
    expect(index.naming('b', 'p')).to.deep.equal([]);
    index.changed('x/1', undefined, second);
  });

  for (const [named, profile, found] of [
    ['p//hat', 'p', true],
    ['dnsmasq///usr/sbin/dnsmasq', 'dnsmasq', true],
    ['q//&p', 'p', true],
    ['q//&p//hat', 'p', true],
    ['p//&q', 'p', true],
    ['p', 'p//hat', true],
    ['pq', 'p', false],
    ['q//p', 'p', false],
    ['p/hat', 'p', false],
  ] as const) {
    it(`a pod that names ${named} ${found ? 'keeps' : 'does not keep'} ${profile}`, () => {
      const index = createPodIndex();
      index.changed('x/1', view('a', named), undefined);
      expect(index.naming('a', profile)).to.have.length(found ? 1 : 0);
    });
  }
});
