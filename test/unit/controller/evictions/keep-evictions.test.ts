import { expect } from 'chai';
import { createEvictionsKeeper } from '../../../../src/controller/evictions/keep-evictions.ts';
import type { EvictionPod } from '../../../../src/controller/evictions/plan-evictions.ts';
import type { MatchedPod } from '../../../../src/controller/pods/matched-pods.ts';
import type { PodOutcome } from '../../../../src/controller/pods/pod-outcome.ts';
import type { ProfileView } from '../../../../src/controller/profiles/profile-view.ts';
import type { Announcement } from '../../../../src/controller/announce.ts';
import { KubeError } from '../../../../src/kube/errors.ts';
import type { KubeResponse } from '../../../../src/kube/transport.ts';
import { fakeLogger, going } from '../fake-client.ts';
import { profileView } from '../objects.ts';
import { bare, confined, owner, waiting } from './pods.ts';

const SETTLED_MS = 10_000;

function ready(name = 'web', change: Partial<ProfileView> = {}): ProfileView {
  const status = {
    revision: 'r1',
    conditions: [{ type: 'Ready', status: 'True', reason: 'Loaded', observedGeneration: 2 }],
  } as const;
  return profileView({ name, uid: `uid-${name}`, evicts: true, status: structuredClone(status) as never, ...change });
}

function world(profile: ProfileView = ready()) {
  const state = {
    nowMs: 0,
    profiles: new Map([[profile.name, profile]]),
    pods: [] as EvictionPod[],
    holding: ['a'],
    /** What the API server says to the next evictions; then yes. */
    answers: [] as Error[],
  };
  const evicted: string[] = [];
  const told: Announcement[] = [];
  const notes: string[] = [];
  const keeper = createEvictionsKeeper({
    transport: {
      request: ({ path }) => {
        const answer = state.answers.shift();
        if (answer !== undefined) return Promise.reject(answer);
        evicted.push(path.split('/').at(-2) ?? '');
        return Promise.resolve({} as KubeResponse);
      },
    },
    clock: { now: () => state.nowMs },
    random: () => 1,
    logger: fakeLogger(),
    announce: (_, announcement) => void told.push(announcement),
    profile: (name) => state.profiles.get(name),
    pods: () => state.pods.map(matched),
    holds: (_uid, nodeName) => state.holding.includes(nodeName),
    onNote: (name) => void notes.push(name),
  });
  state.nowMs = SETTLED_MS;
  return {
    state,
    evicted,
    told,
    notes,
    keeper /** A second later. */,
    keep: (name = profile.name) => {
      state.nowMs += 1000;
      return keeper.keep(name, going);
    },
  };
}

function matched({ namespace, name, uid, ready: isReady, deleting, owner: its, state }: EvictionPod): MatchedPod {
  const shape = { namespace, ...(its === undefined ? {} : { owner: its }) };
  const pod = { name, uid, nodeName: 'a', ready: isReady, deleting, runningSince: [1], shape };
  return { key: `${namespace}/${name}`, pod: pod as unknown as MatchedPod['pod'], outcome: OUTCOMES[state] };
}

const OUTCOMES: Record<EvictionPod['state'], PodOutcome> = {
  confined: { kind: 'complaining' },
  pending: { kind: 'pendingRestart', reason: 'NoProfile', message: 'm', runsWithout: true },
  other: { kind: 'pendingRestart', reason: 'NodeDoesNotHold', message: 'm', runsWithout: true },
};

const denied = new KubeError({
  status: 403,
  reason: 'Forbidden',
  message: 'User "x" cannot create resource "pods/eviction" in API group ""',
});
const budget = new KubeError({
  status: 429,
  reason: 'TooManyRequests',
  message: 'it would violate the budget',
  retryAfterSeconds: 10,
});

describe('createEvictionsKeeper', () => {
  it('evicts one, waits for its replacement, and goes on', async () => {
    const { state, evicted, told, notes, keeper, keep } = world();
    state.pods = [waiting('a'), waiting('b')];
    expect(await keep()).to.deep.equal({ requeueAfterMs: 5000 });
    expect(evicted).to.deep.equal(['a']);
    expect(told).to.deep.equal([
      {
        type: 'Normal',
        reason: 'Evicted',
        action: 'Evict',
        note: 'evicted pod shop/a, which is not confined: ReplicaSet web makes another in its place',
      },
    ]);
    expect(keeper.note('web')).to.match(/^evicting, 2 pods to go, waiting: pod shop\/a was evicted, and/);
    expect(notes).to.deep.equal(['web']);
    state.pods = [waiting('a', { deleting: true }), waiting('b'), confined('c', { ready: false })];
    await keep();
    await keep();
    expect(evicted).to.deep.equal(['a']);
    state.pods = [waiting('b'), confined('c')];
    await keep();
    expect(evicted).to.deep.equal(['a', 'b']);
    state.pods = [confined('c'), confined('d')];
    expect(await keep()).to.equal(undefined);
    expect(keeper.note('web')).to.equal(undefined);
    expect(evicted).to.deep.equal(['a', 'b']);
  });

  const never: [what: string, profile: ProfileView, note: RegExp | undefined][] = [
    ['restart is not Evict', ready('web', { evicts: false }), undefined],
    ['the object is being deleted', ready('web', { deleting: true }), undefined],
    ['its spec is refused', ready('web', { verdict: { kind: 'refused', errors: [], more: 0 } }), /before .* Ready/],
    ['it is Ready no more', ready('web', { status: {} }), /before the condition Ready is True/],
    ['what is Ready is an earlier spec', ready('web', { generation: 3 }), /before the condition Ready is True/],
  ];
  for (const [what, profile, note] of never) {
    it(`evicts nothing where ${what}`, async () => {
      const { state, evicted, keeper, keep } = world(profile);
      state.pods = [waiting('a')];
      expect(await keep()).to.equal(undefined);
      expect(evicted).to.deep.equal([]);
      if (note === undefined) expect(keeper.note('web')).to.equal(undefined);
      else expect(keeper.note('web')).to.match(note);
    });
  }

  it('looks at an object’s pods at most once a second', async () => {
    const { state, evicted, keeper, keep } = world();
    await keep();
    state.pods = [waiting('a')];
    state.nowMs += 600;
    expect(await keeper.keep('web', going)).to.deep.equal({ requeueAfterMs: 400 });
    expect(evicted).to.deep.equal([]);
    state.nowMs += 400;
    await keeper.keep('web', going);
    expect(evicted).to.deep.equal(['a']);
  });

  it('lets what a former leader evicted settle first', async () => {
    const { state, evicted, keep } = world();
    state.pods = [waiting('a')];
    state.nowMs = 3000;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 6000 });
    expect(evicted).to.deep.equal([]);
  });

  it('says that it may not, tells it once, and tries again later', async () => {
    const { state, evicted, told, keeper, keep } = world();
    state.pods = [waiting('a'), waiting('b', owner('other'))];
    state.answers = [denied];
    expect(await keep()).to.deep.equal({ requeueAfterMs: 20_000 });
    expect(keeper.note('web')).to.match(/no right to do; grant it with: kubectl apply -k manifests\/evict/);
    state.nowMs += 4000;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 15_000 });
    state.nowMs += 14_000;
    state.answers = [denied];
    await keep();
    expect(told.map(({ reason }) => reason)).to.deep.equal(['EvictionNotPermitted']);
    expect(evicted).to.deep.equal([]);
    state.nowMs += 20_000;
    await keep();
    expect(evicted).to.deep.equal(['b']);
  });

  it('leaves an owner alone for as long as its budget asks, longer each time, and evicts others', async () => {
    const { state, evicted, keeper, keep } = world();
    state.pods = [waiting('a')];
    state.answers = [budget];
    await keep();
    expect(keeper.note('web')).to.contain('pod shop/a may not be evicted now: it would violate the budget');
    state.pods = [waiting('a'), waiting('z', owner('zoo'))];
    await keep();
    expect(evicted).to.deep.equal(['z']);
    state.pods = [waiting('a'), confined('y', owner('zoo'))];
    state.nowMs += 11_000;
    await keep();
    expect(evicted).to.deep.equal(['z']);
    const waited: number[] = [];
    while (waited.length < 6) {
      const since = state.nowMs;
      state.answers = [budget];
      while (state.answers.length > 0) {
        await keep();
      }
      waited.push(Math.round((state.nowMs - since) / 1000));
    }
    expect(waited).to.deep.equal([2, 15, 20, 40, 80, 160]);
    state.nowMs += 300_000;
    await keep();
    expect(evicted).to.deep.equal(['z', 'a']);
  });

  it('passes on what the API server did not answer', async () => {
    const { state, keep } = world();
    state.pods = [waiting('a')];
    const error = new KubeError({ status: 0, reason: 'Timeout', message: 'm' });
    state.answers = [error];
    expect(await keep().catch((thrown: unknown) => thrown)).to.equal(error);
  });

  it('takes a pod that is gone for what it is', async () => {
    const { state, evicted, keep } = world();
    state.pods = [waiting('a')];
    state.answers = [new KubeError({ status: 404, reason: 'NotFound', message: 'm' })];
    await keep();
    state.pods = [waiting('b')];
    await keep();
    expect(evicted).to.deep.equal(['b']);
  });

  it('stops where a replacement stays unready, warns, and goes on when a new policy cures it', async () => {
    const { state, evicted, told, keeper, keep } = world();
    state.pods = [waiting('a')];
    await keep();
    state.pods = [confined('c', { ready: false }), waiting('z', owner('zoo'))];
    state.nowMs += 300_000;
    await keep();
    await keep();
    expect(evicted).to.deep.equal(['a']);
    expect(told.map(({ reason }) => reason)).to.deep.equal(['Evicted', 'EvictionsStopped']);
    expect(keeper.note('web')).to.match(/have stopped with 1 pod to go: .*replacement shop\/c is not Ready/);
    // Another revision has its own five minutes, and begins with one again.
    const changed = ready('web');
    state.profiles.set('web', { ...changed, status: { ...changed.status, revision: 'r2' } });
    await keep();
    expect(keeper.note('web')).to.match(/^evicting/);
    expect(evicted).to.deep.equal(['a']);
    state.pods = [confined('c'), waiting('z', owner('zoo'))];
    await keep();
    expect(evicted).to.deep.equal(['a', 'z']);
  });

  it('of two objects that mean the same pods, waits for the other', async () => {
    const { state, evicted, keeper, keep } = world();
    state.profiles.set('other', ready('other'));
    state.pods = [waiting('a'), waiting('b')];
    await keep('web');
    await keep('other');
    expect(evicted).to.deep.equal(['a']);
    expect(keeper.note('other')).to.contain('pod shop/a was evicted for AppArmorProfile web');
    keeper.forget('web');
    expect(keeper.note('web')).to.equal(undefined);
    await keep('other');
    expect(evicted).to.deep.equal(['a', 'a']);
  });

  it('says what is left to people, and nothing any more once it is Never again', async () => {
    const { state, notes, keeper, keep } = world();
    state.pods = [bare(waiting('a'))];
    expect(await keep()).to.equal(undefined);
    expect(keeper.note('web')).to.contain('1 pod to be restarted by hand');
    state.profiles.set('web', ready('web', { evicts: false }));
    await keep();
    expect(keeper.note('web')).to.equal(undefined);
    expect(notes).to.deep.equal(['web', 'web']);
    await keep();
    expect(notes).to.have.length(2);
  });

  it('leaves a DaemonSet’s pod on a node where the new one could not start', async () => {
    const { state, evicted, keep } = world();
    state.pods = [waiting('a', owner('d', 'DaemonSet'))];
    state.holding = [];
    await keep();
    expect(evicted).to.deep.equal([]);
    state.holding = ['a'];
    await keep();
    expect(evicted).to.deep.equal(['a']);
    // Others find another node.
    const other = world();
    other.state.holding = [];
    other.state.pods = [waiting('b')];
    await other.keep();
    expect(other.evicted).to.deep.equal(['b']);
  });

  it('begins anew with an object that was made again', async () => {
    const { state, evicted, keep } = world();
    state.pods = [waiting('a'), waiting('b')];
    await keep();
    state.profiles.set('web', ready('web', { uid: 'uid-again' }));
    await keep();
    expect(evicted).to.deep.equal(['a', 'a']);
  });
});
