import { expect } from 'chai';
import { listenersOf } from '../../../src/controller/listeners.ts';
import { nodeView, profileView, revisionView, rowView } from './objects.ts';

/** What a change makes to be looked at: `status web`, `every status`, `forget web`, … */
function after(change: (on: ReturnType<typeof listenersOf>) => void): string[] {
  const looked: string[] = [];
  const profiles = [
    profileView(),
    profileView({ name: 'other', uid: 'uid-other', verdict: { kind: 'refused', errors: [], more: 0 } }),
  ];
  change(
    listenersOf({
      queues: { add: (concern, key) => void looked.push(`${concern} ${key}`) },
      presence: {
        podChanged: (key) => void looked.push(`presence ${key}`),
        nodeGone: (name) => void looked.push(`gone ${name}`),
      },
      index: { changed: (key) => void looked.push(`index ${key}`) },
      profiles: () => profiles,
      everyStatus: () => void looked.push('every status'),
      forget: (name) => void looked.push(`forget ${name}`),
    }),
  );
  return looked;
}

describe('listenersOf', () => {
  const profile = profileView();
  const agent = { nodeName: 'a', ready: true, notReadySince: 0 };
  for (const [title, change, expected] of [
    ['a new object', (on) => on.profiles('web', profile, undefined), ['revisions web', 'status web']],
    ['its status', (on) => on.profiles('web', profile, { ...profile, resourceVersion: '9' }), ['status web']],
    [
      'another generation',
      (on) => on.profiles('web', profile, { ...profile, generation: 1 }),
      ['revisions web', 'status web'],
    ],
    ['re-created', (on) => on.profiles('web', profile, { ...profile, uid: 'x' }), ['revisions web', 'status web']],
    ['deleted', (on) => on.profiles('web', undefined, profile), ['forget web']],
    [
      'a revision',
      (on) => on.revisions('o/r', revisionView(), undefined),
      ['index o/r', 'revisions web', 'status web'],
    ],
    [
      'a revision that is gone',
      (on) => on.revisions('o/r', undefined, revisionView()),
      ['index o/r', 'revisions web', 'status web'],
    ],
    ['a revision of nobody', (on) => on.revisions('o/r', revisionView({ objectUid: 'x' }), undefined), ['index o/r']],
    ['a node', (on) => on.nodes('a', nodeView(), undefined), ['nodes a', 'every status']],
    ['a node that is gone', (on) => on.nodes('a', undefined, nodeView()), ['gone a', 'nodes a', 'every status']],
    ['a new row', (on) => on.rows('a', rowView(), undefined), ['nodes a', 'every status']],
    ['a profile loaded', (on) => on.rows('a', rowView({ loaded: { web: 'x' } }), rowView()), ['nodes a', 'status web']],
    ['a stranger loaded', (on) => on.rows('a', rowView({ loaded: { x: 'x' } }), rowView()), ['nodes a']],
    [
      'a problem of an object that is refused by now',
      (on) =>
        on.rows(
          'a',
          rowView({
            problems: [{ object: 'other', profile: 'p', revision: 'r', state: 'Failed', reason: 'x', message: 'm' }],
          }),
          rowView(),
        ),
      ['nodes a', 'status other'],
    ],
    ['nothing in a row', (on) => on.rows('a', rowView({ message: 'x' }), rowView()), ['nodes a']],
    ['a pod', (on) => on.pods('o/p', agent, undefined), ['presence o/p', 'nodes a']],
    ['a pod that is gone', (on) => on.pods('o/p', undefined, agent), ['presence o/p', 'nodes a']],
    ['no pod', (on) => on.pods('o/p', undefined, undefined), ['presence o/p']],
    ['the DaemonSet', (on) => on.daemonSets('o/d', undefined, undefined), ['daemonset ']],
  ] as [string, (on: ReturnType<typeof listenersOf>) => void, string[]][]) {
    it(title, () => expect(after(change)).to.deep.equal(expected));
  }
});
