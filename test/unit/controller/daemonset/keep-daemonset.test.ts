import { expect } from 'chai';
import { agentDaemonSet, type DaemonSet } from '../../../../src/controller/daemonset/agent-daemonset.ts';
import { createAgentsKeeper } from '../../../../src/controller/daemonset/keep-agents.ts';
import { createDaemonSetKeeper } from '../../../../src/controller/daemonset/keep-daemonset.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import {
  alreadyExists,
  type Answers,
  conflict,
  fakeClient,
  fakeLogger,
  fakeRecorder,
  forbidden,
  going,
  notFound,
} from '../fake-client.ts';

const config = { namespace: 'operator', image: 'image:1', logLevel: 'info' };
const role = { metadata: { name: 'apparmor-operator-controller', uid: 'uid-role' } };

function world(answers: Answers = {}) {
  const clock = createManualClock();
  const events = fakeRecorder();
  const logger = fakeLogger();
  const state = { role: role as unknown, live: undefined as DaemonSet | undefined, generation: 1 };
  const stored = (_: unknown, body: unknown): DaemonSet => {
    const object = body as DaemonSet;
    state.live = { ...object, metadata: { ...object.metadata, uid: 'uid-ds', generation: (state.generation += 1) } };
    return state.live;
  };
  const client = fakeClient({ get: () => state.role, create: stored, update: stored, ...answers });
  const parts = { client, clock, events, logger, live: () => state.live };
  const keeper = createDaemonSetKeeper({ ...parts, config, manager: 'we' });
  /** As somebody would: the API server counts the change. */
  const edit = (change: (spec: DaemonSet['spec']) => void, manager = 'kubectl-edit'): void => {
    const live = structuredClone(state.live)!;
    change(live.spec);
    live.metadata.generation = state.generation += 1;
    live.metadata.managedFields = [{ manager, time: '9' }];
    state.live = live;
  };
  const verbs = () => client.calls.map((call) => call.split(' ')[0]).filter((verb) => verb !== 'get');
  return { clock, events, logger, state, client, parts, edit, verbs, keep: () => keeper.keep('', going) };
}

const notes = (events: { notices: { type: string; reason: string; note: string }[] }): string[] =>
  events.notices.map(({ type, reason, note }) => `${type} ${reason}: ${note}`);

describe('createDaemonSetKeeper', () => {
  it('creates it, and then leaves it alone', async () => {
    const { keep, events, verbs, state } = world();
    await keep();
    await keep();
    expect(verbs()).to.deep.equal(['create']);
    expect(state.live?.metadata.ownerReferences?.[0]).to.deep.include({ kind: 'ClusterRole', uid: 'uid-role' });
    expect(notes(events)).to.deep.equal(['Normal Created: created with image image:1']);
    expect(events.notices[0]?.regarding).to.deep.equal({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      name: 'apparmor-operator-agent',
      namespace: 'operator',
      uid: 'uid-ds',
    });
  });

  it('puts an edit right at once and says whose, the next ones later and later', async () => {
    const { keep, edit, events, verbs, clock, state } = world();
    await keep();
    edit((spec) => Object.assign(spec.template.spec!, { nodeSelector: { disk: 'ssd' } }));
    await keep();
    expect(state.live?.spec.template.spec?.nodeSelector).to.deep.equal({ 'kubernetes.io/os': 'linux' });
    expect(notes(events)[1]).to.match(
      /^Warning PutRight: put right, last changed by kubectl-edit: spec\.template\.spec\.nodeSelector\.disk \(had been added\), /,
    );
    edit((spec) => (spec.minReadySeconds = 5));
    expect(await keep()).to.deep.equal({ requeueAfterMs: 250 });
    await clock.advance(250);
    await keep();
    expect(verbs()).to.deep.equal(['create', 'update', 'update']);
  });

  it('a new leader writes once and says nothing if nothing differs', async () => {
    const first = world();
    await first.keep();
    const { keep, events, verbs, state } = world();
    state.live = first.state.live;
    await keep();
    await keep();
    expect(verbs()).to.deep.equal(['update']);
    expect(events.notices).to.deep.equal([]);
  });

  it('a new leader undoes what was edited while nobody led', async () => {
    const first = world();
    await first.keep();
    first.edit((spec) => (spec.minReadySeconds = 5), 'we');
    const { keep, events, state } = world();
    state.live = first.state.live;
    await keep();
    expect(notes(events)).to.deep.equal(['Warning PutRight: put right: spec.minReadySeconds (had been added)']);
  });

  it('a new version changes it as its own doing', async () => {
    const { keep, events, state } = world();
    const owner = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name: 'r', uid: 'uid-role' };
    state.live = agentDaemonSet({ ...config, image: 'image:0' }, owner);
    state.live.metadata.uid = 'uid-ds';
    await keep();
    expect(notes(events)[0]).to.match(/^Normal Updated: changed with the operator: .*containers\[agent\]\.image/);
  });

  for (const [title, answer] of [
    ['is gone', notFound],
    ['may not be read any more', forbidden],
    ['is being deleted', { metadata: { ...role.metadata, deletionTimestamp: 'x' } }],
  ] as const) {
    it(`creates nothing while its owner ${title}, and looks again`, async () => {
      const { keep, state, verbs } = world();
      state.role = answer;
      expect(await keep()).to.deep.equal({ requeueAfterMs: 10_000 });
      state.role = role;
      await keep();
      expect(verbs()).to.deep.equal(['create']);
    });
  }

  it('passes on other errors of reading its owner', async () => {
    const { keep, state } = world();
    state.role = conflict;
    expect(await keep().catch((error: unknown) => error)).to.equal(conflict);
  });

  for (const [title, answers] of [
    ['created it', { create: () => alreadyExists }],
    ['changed it', { update: () => conflict }],
    ['deleted it', { update: () => notFound }],
  ] as const) {
    it(`waits for the watch if somebody ${title} meanwhile`, async () => {
      const { keep, state, events } = world(answers);
      if ('update' in answers) {
        const first = world();
        await first.keep();
        state.live = first.state.live;
      }
      expect(await keep()).to.equal(undefined);
      expect(events.notices).to.deep.equal([]);
    });
  }

  it('passes on a refusal', async () => {
    const { keep } = world({ create: () => forbidden });
    expect(await keep().catch((error: unknown) => error)).to.equal(forbidden);
  });
});

const answers = (ownPod: unknown): Answers => ({ get: ({ kind }) => (kind === 'Pod' ? ownPod : role) });

describe('createAgentsKeeper', () => {
  const pod = {
    spec: {
      containers: [
        { name: 'sidecar', image: 'other' },
        { name: 'controller', image: 'own:2', imagePullPolicy: 'Always' },
      ],
      imagePullSecrets: [{ name: 'secret' }, {}],
    },
  };
  const options = { namespace: 'operator', identity: 'i', manager: 'we', agentLogLevel: 'info' };

  for (const [title, given, expected] of [
    ['its own pod’s', { podName: 'me' }, { image: 'own:2', imagePullPolicy: 'Always' }],
    [
      'the given one, pulled as its own',
      { podName: 'me', agentImage: 'mine' },
      { image: 'mine', imagePullPolicy: 'Always' },
    ],
    ['the given one, outside a cluster', { agentImage: 'mine' }, { image: 'mine' }],
  ] as const) {
    it(`runs ${title}`, async () => {
      const { parts, state } = world(answers(pod));
      const keeper = createAgentsKeeper({ ...options, ...given }, parts);
      await keeper.keep('', going);
      await keeper.keep('', going);
      const spec = state.live?.spec.template.spec;
      expect(spec?.containers[0]).to.deep.include(expected);
      expect(spec?.imagePullSecrets).to.deep.equal('podName' in given ? [{ name: 'secret' }] : undefined);
    });
  }

  it('takes the first container where none is called controller', async () => {
    const { parts, state } = world(answers({ spec: { containers: [{ name: 'x', image: 'first' }] } }));
    await createAgentsKeeper({ ...options, podName: 'me' }, parts).keep('', going);
    expect(state.live?.spec.template.spec?.containers[0]).to.include({ image: 'first' });
  });

  it('throws for a pod without an image', async () => {
    const { parts } = world(answers({}));
    const error = await createAgentsKeeper({ ...options, podName: 'me' }, parts)
      .keep('', going)
      .catch((error: unknown) => error);
    expect(String(error)).to.contain('pod operator/me names no image');
  });

  it('leaves the agents alone without either, and says so once', async () => {
    const { parts, logger, client } = world();
    const keeper = createAgentsKeeper(options, parts);
    await keeper.keep('', going);
    await keeper.keep('', going);
    expect(client.calls).to.deep.equal([]);
    expect(logger.lines).to.have.length(1);
  });
});
