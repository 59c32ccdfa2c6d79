import { expect } from 'chai';
import type { AppArmorProfileSpec } from '../../../../src/api/generated/index.ts';
import type { Announcement } from '../../../../src/controller/announce.ts';
import { claimantOf, viewProfile, type ProfileView } from '../../../../src/controller/profiles/profile-view.ts';
import type { TrialState } from '../../../../src/controller/revisions/keep-reviews.ts';
import { createRecentTexts, readAccepted } from '../../../../src/controller/revisions/accepted-texts.ts';
import { createRevisionsKeeper } from '../../../../src/controller/revisions/keep-revisions.ts';
import type { ControllerRevision, RevisionView } from '../../../../src/controller/revisions/revision-view.ts';
import {
  alreadyExists,
  type Answers,
  conflict,
  fakeClient,
  fakeLogger,
  forbidden,
  going,
  notFound,
} from '../fake-client.ts';
import { profileObject, profileView, revisionView } from '../objects.ts';

function world(
  answers: Answers,
  change: {
    profile?: ProfileView;
    others?: ProfileView[];
    revisions?: RevisionView[];
    trial?: TrialState | 'not begun';
  } = {},
) {
  const client = fakeClient(answers);
  const announced: Announcement[] = [];
  const problems: string[] = [];
  const trials: string[] = [];
  const { others = [], trial = { kind: 'passed' } } = change;
  const profile = change.profile ?? viewProfile(profileObject({}), undefined);
  const keeper = createRevisionsKeeper({
    client,
    namespace: 'operator',
    logger: fakeLogger(),
    announce: (_, announcement) => announced.push(announcement),
    profile: (name) => (name === profile.name ? profile : undefined),
    claimant: (profile) => claimantOf(profile, undefined),
    claimants: () => [profile, ...others].map((other) => claimantOf(other, undefined)),
    revisionsOf: () => change.revisions ?? [],
    trialState: () => (trial === 'not begun' ? undefined : trial),
    startTrial: (name) => trials.push(name),
    read: (view, signal) => readAccepted(view, { recent: createRecentTexts(), client }, signal),
    onProblem: (name) => problems.push(`${name}: ${keeper.problem(name)}`),
  });
  const hash = profile.verdict.kind === 'accepted' ? profile.verdict.hash : '';
  return { keeper, client, announced, problems, trials, hash };
}

const stored = (): unknown => profileObject({});

describe('createRevisionsKeeper', () => {
  it('reads the texts again and publishes them', async () => {
    const { keeper, client, announced, hash } = world({ get: stored, create: () => ({}) });
    await keeper.keep('web', going);
    expect(client.calls).to.deep.equal(['get AppArmorProfile web', `create ControllerRevision operator/web-${hash}`]);
    expect((client.bodies[1] as ControllerRevision).data?.policy).to.contain('file,');
    expect(announced.map(({ type, reason }) => `${type} ${reason}`)).to.deep.equal(['Normal Published']);
    expect(announced[0]?.note).to.match(
      new RegExp(`^revision ${hash} of generation 1 is published to the nodes; it defines web(;|$)`),
    );
  });

  it('tells warnings', async () => {
    const spec: Partial<AppArmorProfileSpec> = { policy: 'profile web {\n  deny /x w,\n}', mode: 'Complain' };
    const { keeper, announced } = world(
      { get: () => profileObject(spec), create: () => ({}) },
      { profile: viewProfile(profileObject(spec), undefined) },
    );
    await keeper.keep('web', going);
    expect(announced[0]?.note).to.contain('; warnings: ');
  });

  for (const [title, trial, started] of [
    ['that was not compiled on trial yet, and has that done', 'not begun', ['web']],
    ['while it is being compiled', { kind: 'compiling', slow: false, sinceMs: 0 }, []],
    ['that does not compile', { kind: 'refused', errors: [] }, []],
    ['while there is no parser', { kind: 'unavailable', message: 'no parser' }, []],
  ] as const) {
    it(`publishes nothing ${title}`, async () => {
      const { keeper, client, trials } = world({}, { trial });
      await keeper.keep('web', going);
      expect(client.calls).to.deep.equal([]);
      expect(trials).to.deep.equal(started);
    });
  }

  it('publishes nothing whose name another object owns, until that is gone', async () => {
    const others = [profileView({ name: 'old', uid: 'u', creationTimestamp: '2029-01-01T00:00:00Z' })];
    const { keeper, client, problems, trials } = world({ get: stored, create: () => ({}) }, { others });
    await keeper.keep('web', going);
    expect(client.calls).to.deep.equal([]);
    expect(trials).to.deep.equal([]);
    expect(keeper.conflicts('web')).to.deep.equal([{ profile: 'web', owner: 'old' }]);
    await keeper.keep('web', going);
    expect(problems).to.have.length(1);
    others.length = 0;
    await keeper.keep('web', going);
    expect(keeper.conflicts('web')).to.deep.equal([]);
    expect(client.calls.at(-1)).to.contain('create ControllerRevision');
  });

  it('puts no earlier revision in force again whose name another object owns by now', async () => {
    const { keeper, client } = world(
      {},
      {
        profile: profileView({ generation: 7 }),
        others: [profileView({ name: 'old', uid: 'u', creationTimestamp: '2029-01-01T00:00:00Z' })],
        revisions: [revisionView({ sequence: 1 }), revisionView({ hash: 'b', sequence: 2 })],
      },
    );
    await keeper.keep('web', going);
    expect(client.calls).to.deep.equal([]);
    keeper.forget('web');
    expect(keeper.conflicts('web')).to.deep.equal([]);
  });

  for (const [title, get] of [
    ['is gone', () => notFound],
    ['is another one', () => profileObject({}, { uid: 'new' })],
    ['has another generation', () => profileObject({}, { generation: 2 })],
    ['is refused by now', () => profileObject({ policy: '# nothing' })],
  ] as const) {
    it(`publishes nothing if the object ${title} when it is read again`, async () => {
      const { keeper, client } = world({ get });
      await keeper.keep('web', going);
      expect(client.calls).to.deep.equal(['get AppArmorProfile web']);
    });
  }

  it('takes up one of the same name and content', async () => {
    const wanted = world({ get: stored, create: () => ({}) });
    await wanted.keeper.keep('web', going);
    const existing = {
      ...(wanted.client.bodies[1] as ControllerRevision),
      metadata: { name: 'x', uid: 'uid-x', labels: {} },
    };
    const { keeper, client, hash } = world({
      get: ({ kind }) => (kind === 'ControllerRevision' ? existing : stored()),
      create: () => alreadyExists,
      mergePatch: () => ({}),
    });
    await keeper.keep('web', going);
    expect(client.calls.at(-1)).to.equal(`mergePatch ControllerRevision operator/web-${hash}`);
    expect(client.bodies.at(-1)).to.deep.include({ revision: 1 });
    expect((client.bodies.at(-1) as ControllerRevision).metadata).to.deep.include({ uid: 'uid-x' });
  });

  it('replaces one of the same name and other content', async () => {
    let created = 0;
    const { keeper, client } = world({
      get: ({ kind }) =>
        kind === 'ControllerRevision' ? { metadata: { name: 'x', uid: 'uid-x' }, data: {} } : stored(),
      create: () => (created++ === 0 ? alreadyExists : {}),
      delete: () => ({}),
    });
    await keeper.keep('web', going);
    expect(client.calls.map((call) => call.split(' ')[0])).to.deep.equal(['get', 'create', 'get', 'delete', 'create']);
    expect(client.bodies[3]).to.deep.include({ uid: 'uid-x' });
  });

  it('raises the sequence of an earlier revision, and tells it', async () => {
    const profile = profileView({ generation: 7 });
    const { keeper, client, announced } = world(
      { mergePatch: () => ({}) },
      { profile, revisions: [revisionView({ sequence: 1 }), revisionView({ hash: 'b', sequence: 2 })] },
    );
    await keeper.keep('web', going);
    expect(client.bodies[0]).to.deep.include({ revision: 7 });
    expect(announced).to.have.length(1);
  });

  it('puts a lost owner right without telling anybody', async () => {
    const { keeper, client, announced } = world(
      { mergePatch: () => ({}) },
      { profile: profileView(), revisions: [revisionView({ owners: [] })] },
    );
    await keeper.keep('web', going);
    expect(client.bodies[0]).to.deep.include({ revision: 1 });
    expect(announced).to.deep.equal([]);
  });

  for (const [title, profile] of [
    ['being deleted', profileView({ deleting: true })],
    ['unknown', profileView({ name: 'other' })],
  ] as const) {
    it(`does nothing about an object that is ${title}`, async () => {
      const { keeper, client } = world({}, { profile });
      await keeper.keep('web', going);
      expect(client.calls).to.deep.equal([]);
    });
  }

  it('removes old ones as it saw them, and does not mind that they changed', async () => {
    const answers = [notFound, conflict];
    const revisions = ['a', 'b', 'c', 'd', 'e'].map((hash, index) => revisionView({ hash, sequence: index + 1 }));
    const { keeper, client } = world(
      { delete: () => answers.shift() },
      { profile: profileView(), revisions: [...revisions, revisionView({ sequence: 9 })] },
    );
    await keeper.keep('web', going);
    expect(client.calls).to.deep.equal([
      'delete ControllerRevision operator/web-a',
      'delete ControllerRevision operator/web-b',
    ]);
    expect(client.bodies[0]).to.deep.include({ uid: 'uid-a', resourceVersion: '20' });
  });

  it('remembers why it could not store, until it can', async () => {
    let refuse = true;
    const { keeper, problems } = world({ get: stored, create: () => (refuse ? forbidden : {}) });
    for (let times = 0; times < 2; times++) {
      expect(await keeper.keep('web', going).catch((error: unknown) => error)).to.equal(forbidden);
    }
    expect(keeper.problem('web')).to.equal('Forbidden, says the API server');
    refuse = false;
    await keeper.keep('web', going);
    expect(problems).to.deep.equal(['web: Forbidden, says the API server', 'web: undefined']);
    refuse = true;
    await keeper.keep('web', going).catch(() => undefined);
    keeper.forget('web');
    expect(keeper.problem('web')).to.equal(undefined);
  });

  it('says nothing of an error because it was stopped', async () => {
    const { keeper, problems } = world({ get: () => new Error('aborted') });
    await keeper.keep('web', AbortSignal.abort()).catch(() => undefined);
    expect(problems).to.deep.equal([]);
  });

  it('passes on what goes wrong with an old revision', async () => {
    const revisions = ['a', 'b', 'c', 'd', 'e'].map((hash, index) => revisionView({ hash, sequence: index + 1 }));
    const profile = profileView({ verdict: { kind: 'refused', errors: [], more: 0 } });
    const { keeper } = world({ delete: () => forbidden }, { profile, revisions });
    expect(await keeper.keep('web', going).catch((error: unknown) => error)).to.equal(forbidden);
  });
});
