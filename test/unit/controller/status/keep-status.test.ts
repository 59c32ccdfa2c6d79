import { expect } from 'chai';
import type { AppArmorProfileStatus } from '../../../../src/api/generated/index.ts';
import type { Announcement } from '../../../../src/controller/announce.ts';
import type { MatchedPod } from '../../../../src/controller/pods/matched-pods.ts';
import type { ProfileView } from '../../../../src/controller/profiles/profile-view.ts';
import type { ReviewState } from '../../../../src/controller/revisions/review-state.ts';
import { createStatusKeeper } from '../../../../src/controller/status/keep-status.ts';
import type { NodeFacts } from '../../../../src/controller/status/node-outcome.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import { conflict, fakeClient, forbidden, going, notFound } from '../fake-client.ts';
import { rule } from '../../admission/pods/rules.ts';
import { failedOn, loadedOn, nodeFacts, podView, profileView, revisionView } from '../objects.ts';

/** An object and nodes that a test changes; writes reach the cache only by `deliver`. */
function world() {
  const clock = createManualClock();
  const announced: Announcement[] = [];
  let version = 10;
  const state = {
    profile: profileView() as ProfileView | undefined,
    revisions: [revisionView()],
    nodes: [] as NodeFacts[],
    pods: [] as MatchedPod[],
    answer: undefined as Error | undefined,
    publishProblem: undefined as string | undefined,
    review: undefined as ReviewState | undefined,
  };
  const client = fakeClient({
    apply: () => state.answer ?? { metadata: { resourceVersion: String((version += 1)) } },
  });
  const keeper = createStatusKeeper({
    client,
    clock,
    announce: (_, announcement) => announced.push(announcement),
    profile: () => state.profile,
    revisionsOf: () => state.revisions,
    nodes: () => state.nodes,
    nodeCount: () => state.nodes.length,
    review: () => state.review,
    publishProblem: () => state.publishProblem,
    podRule: () => undefined,
    pods: () => state.pods,
    podsNote: () => undefined,
    podEvents: { tell: (_, { pending }) => (pending.length > 3 ? 2000 : undefined), forget: () => undefined },
  });
  const written = () => (client.bodies as { status: AppArmorProfileStatus }[]).map(({ status }) => status);
  return {
    state,
    clock,
    client,
    announced,
    keeper,
    keep: () => keeper.keep('web', going),
    written,
    deliver: () => {
      state.profile = { ...state.profile!, resourceVersion: String(version), status: written().at(-1)! };
    },
  };
}

function counted(number: number): MatchedPod[] {
  const pod = podView();
  const outcome = { kind: 'pendingRestart', reason: 'NoProfile', message: 'm', runsWithout: true } as const;
  return Array.from({ length: number }, (_, index) => ({ key: `shop/p${index}`, pod, outcome }));
}

describe('createStatusKeeper', () => {
  it('applies the whole status to the object of that uid, once', async () => {
    const { keep, client, state, deliver, announced, written } = world();
    state.nodes = [loadedOn('a')];
    await keep();
    expect(client.calls).to.deep.equal(['apply AppArmorProfile web']);
    expect(client.bodies[0]).to.deep.include({ metadata: { name: 'web', uid: 'uid-web' } });
    expect(written()[0]).to.deep.include({ nodesLoaded: '1/1', observedGeneration: 2 });
    expect(announced).to.have.length(1);
    await keep();
    deliver();
    await keep();
    expect(client.calls).to.have.length(1);
  });

  it('knows its own write before the cache does, and forgets it when the cache does or after five seconds', async () => {
    const { keep, client, state, deliver, clock } = world();
    state.nodes = [loadedOn('a')];
    await keep();
    deliver();
    // Somebody writes the status: the event's version is higher than that of our write.
    state.profile = { ...state.profile!, resourceVersion: '12', status: { nodesLoaded: '9/9' } };
    await keep();
    expect(client.calls).to.have.length(2);
    await clock.advance(5001);
    await keep();
    expect(client.calls).to.have.length(3);
  });

  it('spares a write while the revision of a new generation is on its way', async () => {
    const { keep, client, state, deliver } = world();
    state.nodes = [loadedOn('a')];
    await keep();
    deliver();
    state.profile = { ...state.profile!, generation: 3, verdict: { kind: 'accepted', hash: 'new', profiles: ['web'] } };
    await keep();
    expect(client.calls).to.have.length(1);
    state.publishProblem = 'forbidden';
    await keep();
    expect(client.calls).to.have.length(2);
  });

  it('says that it is compiled on trial only where that takes longer than a second', async () => {
    const { keep, client, clock, state, deliver, written } = world();
    await keep();
    deliver();
    state.profile = { ...state.profile!, generation: 3, verdict: { kind: 'accepted', hash: 'new', profiles: ['web'] } };
    state.review = { kind: 'compiling', slow: false, sinceMs: clock.now() };
    await clock.advance(400);
    expect(await keep()).to.deep.equal({ requeueAfterMs: 600 });
    expect(client.calls).to.have.length(1);
    await clock.advance(600);
    await keep();
    expect(written().at(-1)?.conditions?.[0]?.message).to.contain('is being compiled on trial');
  });

  for (const review of [
    { kind: 'compiling', slow: true, sinceMs: 0 },
    { kind: 'refused', errors: [] },
    { kind: 'conflict', owned: [{ profile: 'web', owner: 'old' }] },
    { kind: 'unavailable', message: 'no parser' },
  ] as const) {
    it(`says at once that a spec is ${review.kind}`, async () => {
      const { keep, client, state, deliver } = world();
      await keep();
      deliver();
      state.profile = {
        ...state.profile!,
        generation: 3,
        verdict: { kind: 'accepted', hash: 'new', profiles: ['web'] },
      };
      state.review = review;
      await keep();
      expect(client.calls).to.have.length(2);
    });
  }

  it('says Unknown at first sight', async () => {
    const { keep, state, written } = world();
    state.revisions = [];
    await keep();
    expect(written()[0]?.conditions?.[0]).to.deep.include({ type: 'Ready', status: 'Unknown', reason: 'Progressing' });
  });

  it('a revision that is being deleted is not in force', async () => {
    const { keep, state, written } = world();
    state.revisions = [revisionView({ deleting: true })];
    await keep();
    expect(written()[0]).not.to.have.property('revision');
  });

  it('writes progress once a second, the first failure at once', async () => {
    const { keep, client, state, deliver, clock } = world();
    const nodes = ['a', 'b', 'c', 'd'].map((name) => nodeFacts(name, {}));
    state.nodes = nodes;
    await keep();
    deliver();
    state.nodes = [loadedOn('a'), ...nodes.slice(1)];
    expect(await keep()).to.deep.equal({ requeueAfterMs: 1000 });
    await clock.advance(1000);
    await keep();
    deliver();
    expect(client.calls).to.have.length(2);
    state.nodes = [loadedOn('a'), failedOn('b'), ...nodes.slice(2)];
    await keep();
    expect(client.calls).to.have.length(3);
  });

  it('looks at many nodes at most once a second, and writes progress every ten', async () => {
    const { keep, client, state, deliver, clock } = world();
    const nodes = Array.from({ length: 120 }, (_, index) => nodeFacts(`n${index}`, {}));
    state.nodes = nodes;
    await keep();
    deliver();
    await clock.advance(400);
    state.nodes = [loadedOn('n0'), ...nodes.slice(1)];
    expect(await keep()).to.deep.equal({ requeueAfterMs: 600 });
    await clock.advance(600);
    expect(await keep()).to.deep.equal({ requeueAfterMs: 9000 });
    await clock.advance(9000);
    await keep();
    expect(client.calls).to.have.length(2);
  });

  for (const [title, answer] of [
    ['gone', notFound],
    ['another one by now', conflict],
  ] as const) {
    it(`does not mind an object that is ${title}, and announces nothing`, async () => {
      const { keep, state, announced } = world();
      state.answer = answer;
      await keep();
      expect(announced).to.deep.equal([]);
    });
  }

  it('passes on other errors', async () => {
    const { keep, state } = world();
    state.answer = forbidden;
    expect(await keep().catch((error: unknown) => error)).to.equal(forbidden);
  });

  it('leaves an object alone that is gone or being deleted', async () => {
    const { keep, client, state } = world();
    state.profile = profileView({ deleting: true });
    await keep();
    state.profile = undefined;
    await keep();
    expect(client.calls).to.deep.equal([]);
  });

  it('forgets what it wrote for an object that is gone', async () => {
    const { keep, client, keeper } = world();
    await keep();
    keeper.forget('web');
    await keep();
    expect(client.calls).to.have.length(2);
  });

  describe('pods', () => {
    it('are counted where the revision in force has a rule, and told of', async () => {
      const { keep, state, written } = world();
      state.pods = counted(2);
      await keep();
      expect(written().at(-1)).not.to.have.any.keys('pods', 'podsConfined');
      state.revisions = [revisionView({ podRule: rule('web') })];
      state.profile = profileView({ generation: 3 });
      expect(await keep()).to.equal(undefined);
      expect(written().at(-1)).to.deep.include({ podsConfined: '0/2' });
      expect(written().at(-1)?.conditions?.at(-1)).to.deep.include({
        type: 'PodsConfined',
        observedGeneration: 3,
        reason: 'PodsPendingRestart',
      });
    });

    it('are looked at again while some of them wait to be told of', async () => {
      const { keep, state, deliver } = world();
      state.revisions = [revisionView({ podRule: rule('web') })];
      state.pods = counted(4);
      expect(await keep()).to.deep.equal({ requeueAfterMs: 2000 });
      deliver();
      expect(await keep()).to.deep.equal({ requeueAfterMs: 2000 });
    });

    it('are counted every five seconds if they are many, and at once by another rule', async () => {
      const { keep, keeper, state, clock, written } = world();
      state.revisions = [revisionView({ podRule: rule('web') })];
      state.pods = counted(5000);
      await keep();
      state.pods = counted(6000);
      await clock.advance(1000);
      expect(await keep()).to.deep.equal({ requeueAfterMs: 2000 });
      expect(written().at(-1)?.podsConfined).to.equal('0/5000');
      await clock.advance(4000);
      await keep();
      expect(written().at(-1)?.podsConfined).to.equal('0/6000');
      state.pods = counted(5000);
      state.revisions = [revisionView({ podRule: rule('web') })];
      await clock.advance(1000);
      await keep();
      expect(written().at(-1)?.podsConfined).to.equal('0/5000');
      state.pods = counted(4999);
      keeper.forget('web');
      await clock.advance(1000);
      await keep();
      expect(written().at(-1)?.podsConfined).to.equal('0/4999');
    });
  });
});
