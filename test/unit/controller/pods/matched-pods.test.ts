import { expect } from 'chai';
import type { Labels } from '../../../../src/admission/pods/label-selector.ts';
import type { PodRule } from '../../../../src/admission/pods/rule.ts';
import { createMatchedPods } from '../../../../src/controller/pods/matched-pods.ts';
import { createPodViewer, type KubePod, type PodView } from '../../../../src/controller/pods/pod-view.ts';
import { rule } from '../../admission/pods/rules.ts';
import { nodeView, revisionView, rowView } from '../objects.ts';

/** Pods and rules that a test changes; one node that holds everything. */
function world() {
  const viewer = createPodViewer();
  const namespaces = new Map<string, Labels>([['shop', { team: 'shop' }]]);
  const pods = new Map<string, PodView>();
  const changed: string[] = [];
  const matched = createMatchedPods({
    ownNamespace: 'apparmor-operator',
    namespaceLabels: (name) => namespaces.get(name),
    host: () => ({
      node: nodeView(),
      row: rowView({ loaded: { 'aa-web': 'rev-web', 'aa-late': 'rev-late', 'aa-high': 'rev-high' } }),
    }),
    revisionsOf: (uid) => [revisionView({ hash: uid.replace('uid', 'rev') })],
    onChange: ({ name }) => changed.push(name),
  });

  function put(name: string, labels: Labels, more: { namespace?: string; profile?: string } = {}): void {
    const { namespace = 'shop', profile } = more;
    const named =
      profile === undefined
        ? {}
        : { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: profile } } };
    const pod: KubePod = {
      metadata: { name, namespace, uid: `uid-${name}`, labels },
      spec: { nodeName: 'a', containers: [{ name: 'web', ...named }] },
    };
    const key = `${namespace}/${name}`;
    const now = viewer(pod);
    if (now === undefined) throw new Error('not viewed');
    const before = pods.get(key);
    pods.set(key, now);
    matched.podChanged(key, now, before);
  }

  return {
    matched,
    namespaces,
    put,
    remove: (key: string) => {
      const before = pods.get(key);
      pods.delete(key);
      matched.podChanged(key, undefined, before);
    },
    rules: (...rules: PodRule[]) => matched.rulesChanged(rules),
    /** `key kind` of the object's pods. */
    of: (object: string) => [...matched.of(`uid-${object}`)].map(({ key, outcome }) => `${key} ${outcome.kind}`).sort(),
    /** Objects that were told of since the last call. */
    told: () => [...new Set(changed.splice(0))].sort(),
  };
}

const app = (name: string) => ({ selector: { matchLabels: { app: name } } });

describe('createMatchedPods', () => {
  it('knows the pods that an object selects, and how they run', () => {
    const { put, rules, of, told } = world();
    rules(rule('web', app('web')));
    put('a', { app: 'web' }, { profile: 'aa-web' });
    put('b', { app: 'web' });
    put('c', { app: 'other' });
    expect(of('web')).to.deep.equal(['shop/a confined', 'shop/b pendingRestart']);
    expect(of('nobody')).to.deep.equal([]);
    expect(told()).to.deep.equal(['web']);
    put('c', { app: 'other', more: 'x' });
    expect(told()).to.deep.equal([]);
  });

  it('follows a pod whose labels change, that is made anew or gone', () => {
    const { put, rules, of, told, remove } = world();
    rules(rule('web', app('web')));
    put('a', { app: 'web' });
    put('a', { app: 'other' });
    expect([of('web'), told()]).to.deep.equal([[], ['web']]);
    put('a', { app: 'web' });
    put('a', { app: 'web' }, { profile: 'aa-web' });
    expect(of('web')).to.deep.equal(['shop/a confined']);
    told();
    remove('shop/a');
    expect([of('web'), told()]).to.deep.equal([[], ['web']]);
    remove('shop/never');
  });

  it('finds for a new rule the pods that are there, and lets go of them when it changes or ends', () => {
    const { put, rules, of, told } = world();
    put('a', { app: 'web' });
    put('b', { app: 'other' });
    const [first, second] = [rule('web', app('web')), rule('late', app('other'))];
    rules(first);
    expect(of('web')).to.deep.equal(['shop/a pendingRestart']);
    rules(first, second);
    expect(of('late')).to.deep.equal(['shop/b pendingRestart']);
    told();
    rules(rule('web', app('other')), second);
    // The other object loses its pod to it, or wins it, and has to be looked at, too.
    expect(told()).to.deep.equal(['late', 'web']);
    expect(of('web')).to.deep.equal(['shop/b skipped']);
    rules(second);
    expect([of('web'), of('late')]).to.deep.equal([[], ['shop/b pendingRestart']]);
    expect(told()).to.deep.equal(['late', 'web']);
    rules(second);
    expect(told()).to.deep.equal([]);
  });

  it('gives a pod to the object whose priority is higher, the others count it as skipped', () => {
    const { put, rules, of } = world();
    put('a', { app: 'web' }, { profile: 'aa-high' });
    rules(rule('web', app('web')), rule('high', { ...app('web'), priority: 1 }));
    expect([of('web'), of('high')]).to.deep.equal([['shop/a skipped'], ['shop/a confined']]);
  });

  it('follows the labels of namespaces, which may not be known at first', () => {
    const { put, rules, of, namespaces, matched, told } = world();
    rules(rule('web', { namespaceSelector: { matchLabels: { team: 'new' } } }), rule('late', { priority: -1 }));
    put('a', {}, { namespace: 'new' });
    expect([of('web'), of('late')]).to.deep.equal([[], ['new/a pendingRestart']]);
    namespaces.set('new', { team: 'new' });
    matched.namespaceChanged('new');
    expect(told()).to.deep.equal(['late', 'web']);
    expect(of('web')).to.deep.equal(['new/a pendingRestart']);
    namespaces.set('new', { 'apparmor-operator.dev/inject': 'disabled' });
    matched.namespaceChanged('new');
    expect([of('web'), of('late')]).to.deep.equal([[], ['new/a skipped']]);
    matched.namespaceChanged('nowhere');
  });
});
