import { expect } from 'chai';
import { createPodIndex } from '../../../../src/controller/pods/pod-index.ts';
import { samePod, viewPod, type KubePod, type PodView } from '../../../../src/controller/pods/pod-view.ts';

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

describe('viewPod', () => {
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
    ['none', pod({ containers: [{}] }), undefined],
    [
      'another type',
      pod({ containers: [{ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }] }),
      undefined,
    ],
    ['an annotation of another value', pod({}, annotated('runtime/default')), undefined],
    ['another annotation', pod({}, { annotations: { other: 'localhost/p' } }), undefined],
    ['on no node', pod({ nodeName: '', containers: contained('p') }), undefined],
    ['done', pod({ containers: contained('p') }, { phase: 'Succeeded' }), undefined],
    ['failed', pod({ containers: contained('p') }, { phase: 'Failed' }), undefined],
    ['nothing known', { metadata: {} }, undefined],
  ] as const) {
    it(title, () => {
      expect(viewPod(given)).to.deep.equal(profiles === undefined ? undefined : { nodeName: 'a', profiles });
    });
  }

  it('a pod that is ending counts until it has ended', () => {
    const ending = pod({ containers: contained('p') }, { phase: 'Running' });
    Object.assign(ending.metadata, { deletionTimestamp: '2030-01-01T00:00:00Z' });
    expect(viewPod(ending)?.profiles).to.deep.equal(['p']);
  });
});

describe('samePod', () => {
  const view: PodView = { nodeName: 'a', profiles: ['p', 'q'] };
  for (const [change, same] of [
    [{}, true],
    [{ nodeName: 'b' }, false],
    [{ profiles: ['p'] }, false],
    [{ profiles: ['p', 'r'] }, false],
  ] as const) {
    it(JSON.stringify(change), () => expect(samePod(view, { ...view, ...change })).to.equal(same));
  }
});

function view(nodeName: string, ...profiles: string[]): PodView {
  return { nodeName, profiles };
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
