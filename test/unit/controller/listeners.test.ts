import { expect } from 'chai';
import { listenersOf } from '../../../src/controller/listeners.ts';
import { nodeView, podView, profileView, revisionView, rowView } from './objects.ts';

/** What a change makes to be looked at: `status web`, `every status`, `forget web`, … */
function after(change: (on: ReturnType<typeof listenersOf>) => void): string[] {
  const looked: string[] = [];
  const profiles = [
    profileView(),
    profileView({ name: 'twin', uid: 'uid-twin', verdict: { kind: 'accepted', hash: 'h', profiles: ['shared'] } }),
    profileView({ name: 'other', uid: 'uid-other', verdict: { kind: 'refused', errors: [], more: 0 } }),
  ];
  change(
    listenersOf({
      queues: { add: (concern, key) => void looked.push(`${concern} ${key}`) },
      presence: {
        podChanged: (key) => void looked.push(`presence ${key}`),
        nodeGone: (name) => void looked.push(`gone ${name}`),
      },
      matchedPods: { podChanged: (key) => void looked.push(`matched ${key}`) },
      podIndex: { changed: (key) => void looked.push(`pod index ${key}`) },
      announce: ({ name }, { reason, note }) => void looked.push(`${reason} ${name}: ${note.slice(0, 14)}`),
      profiles: () => profiles,
      everyStatus: () => void looked.push('every status'),
      everyUnload: () => void looked.push('every unload'),
      everyProof: (configuration) => void looked.push(`proofs of ${configuration}`),
      forget: (name) => void looked.push(`forget ${name}`),
    }),
  );
  return looked;
}

describe('listenersOf', () => {
  const profile = profileView();
  const sharing = profileView({ verdict: { kind: 'accepted', hash: 'x', profiles: ['web', 'shared'] } });
  const agent = { nodeName: 'a', ready: true, notReadySince: 0, backsOff: false };
  const pod = podView({
    spec: { securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile: 'web' } } },
  });
  const drift = { object: 'web', profile: 'web', what: 'Unloaded', time: '2030-01-01T00:00:00Z' } as const;
  const unwanted = {
    object: 'gone',
    profile: 'p',
    revision: 'r',
    state: 'Retained',
    reason: 'NoLongerWanted',
    message: 'm',
  } as const;
  for (const [title, change, expected] of [
    ['a new object', (on) => on.profiles('web', profile, undefined), ['revisions web', 'every unload', 'status web']],
    ['its status', (on) => on.profiles('web', profile, { ...profile, resourceVersion: '9' }), ['status web']],
    [
      'another generation',
      (on) => on.profiles('web', profile, { ...profile, generation: 1 }),
      ['revisions web', 'every unload', 'status web'],
    ],
    [
      're-created',
      (on) => on.profiles('web', profile, { ...profile, uid: 'x' }),
      ['revisions web', 'every unload', 'status web'],
    ],
    ['deleted', (on) => on.profiles('web', undefined, profile), ['forget web', 'every unload']],
    [
      'a revision',
      (on) => on.revisions('o/r', revisionView(), undefined),
      ['every unload', 'revisions web', 'status web'],
    ],
    [
      'a revision that is gone',
      (on) => on.revisions('o/r', undefined, revisionView()),
      ['every unload', 'revisions web', 'status web'],
    ],
    [
      'a revision of nobody',
      (on) => on.revisions('o/r', revisionView({ objectUid: 'x', profiles: [] }), undefined),
      ['every unload'],
    ],
    [
      'a name that another object wants is in force, or no longer',
      (on) => {
        on.revisions('o/r', revisionView({ objectUid: 'x', profiles: ['shared'] }), undefined);
        on.revisions('o/r', undefined, revisionView({ objectUid: 'x', profiles: ['shared'] }));
      },
      ['every unload', 'revisions twin', 'every unload', 'revisions twin'],
    ],
    [
      'an object wants a name that another wants',
      (on) => on.profiles('web', sharing, profile),
      ['revisions twin', 'status web'],
    ],
    [
      'it wants it on other nodes',
      (on) => on.profiles('web', { ...sharing, nodeSelector: { a: 'b' } }, sharing),
      ['revisions twin', 'status web'],
    ],
    ['it only loads it', (on) => on.profiles('web', { ...sharing, resourceVersion: '11' }, sharing), ['status web']],
    ['it is gone', (on) => on.profiles('web', undefined, sharing), ['revisions twin', 'forget web', 'every unload']],
    ['a node', (on) => on.nodes('a', nodeView(), undefined), ['nodes a', 'unloads a', 'every status']],
    [
      'a node that is gone',
      (on) => on.nodes('a', undefined, nodeView()),
      ['gone a', 'nodes a', 'unloads a', 'every status'],
    ],
    ['a new row', (on) => on.rows('a', rowView(), undefined), ['nodes a', 'every status']],
    ['a profile loaded', (on) => on.rows('a', rowView({ loaded: { web: 'x' } }), rowView()), ['nodes a', 'status web']],
    [
      'a profile that was lost and is back',
      (on) => on.rows('a', rowView({ loadedSince: { web: 't' } }), rowView()),
      ['nodes a', 'status web'],
    ],
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
    ['what nobody wants', (on) => on.rows('a', rowView({ problems: [unwanted] }), rowView()), ['nodes a', 'unloads a']],
    [
      'what was granted and is gone',
      (on) => on.rows('a', rowView(), rowView({ unload: [{ profile: 'p', revision: 'r', expires: 'x' }] })),
      ['nodes a', 'unloads a'],
    ],
    [
      'a correction of an object, and of one that is gone',
      (on) => on.rows('a', rowView({ drift: [drift, { ...drift, profile: 'p', object: 'gone' }] }), rowView()),
      ['nodes a', 'DriftCorrected web: a: profile web'],
    ],
    ['an agent', (on) => on.agentPods('o/p', agent, undefined), ['presence o/p', 'nodes a', 'unloads a']],
    ['an agent that is gone', (on) => on.agentPods('o/p', undefined, agent), ['presence o/p', 'nodes a', 'unloads a']],
    ['no agent', (on) => on.agentPods('o/p', undefined, undefined), ['presence o/p']],
    ['a pod', (on) => on.pods('o/p', pod, undefined), ['pod index o/p', 'matched o/p', 'unloads a']],
    ['a pod that is gone', (on) => on.pods('o/p', undefined, pod), ['pod index o/p', 'matched o/p', 'unloads a']],
    [
      'a pod of the same name elsewhere',
      (on) => on.pods('o/p', { ...pod, nodeName: 'b' }, pod),
      ['pod index o/p', 'matched o/p', 'unloads b', 'unloads a'],
    ],
    ['a pod that names no profile', (on) => on.pods('o/p', podView(), undefined), ['pod index o/p', 'matched o/p']],
    ['a pod that is Ready', (on) => on.pods('o/p', { ...pod, ready: true }, pod), ['pod index o/p', 'matched o/p']],
    ['the DaemonSet', (on) => on.daemonSets('o/d', undefined, undefined), ['daemonset ']],
  ] as [string, (on: ReturnType<typeof listenersOf>) => void, string[]][]) {
    it(title, () => expect(after(change)).to.deep.equal(expected));
  }
});
