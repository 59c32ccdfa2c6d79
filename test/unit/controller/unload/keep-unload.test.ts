import { expect } from 'chai';
import type { AgentState } from '../../../../src/controller/nodes/agent-presence.ts';
import type { NodeView } from '../../../../src/controller/nodes/node-view.ts';
import type { RowView } from '../../../../src/controller/nodes/row-view.ts';
import { createUnloadKeeper } from '../../../../src/controller/unload/keep-unload.ts';
import type { LivingObject } from '../../../../src/controller/unload/wanted-by.ts';
import { createManualClock } from '../../kube/manual-clock.ts';
import { conflict, fakeClient, fakeLogger, fakeRecorder, forbidden, going, notFound } from '../fake-client.ts';
import { nodeFacts, nodeView, profileView, revisionView, rowView } from '../objects.ts';
import { grant, NOW, unwanted } from './rows.ts';

/** How long objects neither come nor go before anything is granted. */
const SETTLED_MS = 5000;

/** A node on which `web` may be removed, beside an object that has nothing to do with it. Writes arrive by `deliver` only. */
async function world() {
  const clock = createManualClock(NOW - SETTLED_MS);
  const events = fakeRecorder();
  const logger = fakeLogger();
  const state = {
    node: nodeView() as NodeView | undefined,
    row: rowView({ problems: [unwanted()] }) as RowView | undefined,
    agent: { kind: 'ready' } as AgentState,
    pods: [] as string[],
    objects: [
      {
        profile: profileView({ name: 'db', verdict: { kind: 'accepted', hash: 'd', profiles: ['db'] } }),
        inForce: revisionView({ objectName: 'db', hash: 'd', profiles: ['db'] }),
      },
    ] as LivingObject[],
    heard: true,
    definition: {
      metadata: {},
      spec: { versions: [{ name: 'v1alpha1', served: true }] },
      status: { conditions: [{ type: 'Established', status: 'True' }] },
    } as object,
    answer: {} as object,
    whileAsking: (): void => undefined,
  };
  const client = fakeClient({
    get: () => {
      state.whileAsking();
      return state.definition;
    },
    mergePatch: () => state.answer,
  });
  const keeper = createUnloadKeeper({
    client,
    clock,
    events,
    logger,
    node: () => state.node,
    row: () => state.row,
    agent: () => state.agent,
    podsNaming: () => state.pods,
    objects: () => state.objects,
    nodes: () => (state.node === undefined ? [] : [{ ...nodeFacts('a', false), node: state.node, row: state.row }]),
    heard: () => state.heard,
  });
  const keep = () => keeper.keep('a', going);
  const patches = () =>
    client.bodies.filter((_, index) => client.calls[index]?.startsWith('mergePatch')) as {
      metadata: object;
      spec: { unload: RowView['unload'] | null };
    }[];
  const deliver = (): void => {
    state.row = { ...state.row!, unload: patches().at(-1)?.spec.unload ?? [] };
  };
  const { row } = state;
  state.row = undefined;
  await keep();
  await clock.advance(SETTLED_MS);
  state.row = row;
  return { clock, events, logger, state, client, keep, patches, deliver };
}

describe('createUnloadKeeper', () => {
  it('asks for the kind, writes the grant to the row of that uid, once, and renews it at half time', async () => {
    const { keep, client, patches, deliver, clock, logger } = await world();
    await keep();
    expect(client.calls).to.deep.equal([
      'get CustomResourceDefinition apparmorprofiles.apparmor-operator.dev',
      'mergePatch AppArmorNode a',
    ]);
    expect(patches()).to.deep.equal([{ metadata: { uid: 'uid-row-a' }, spec: { unload: [grant(300)] } }]);
    expect(logger.lines).to.deep.equal(['info granted the removal of profiles']);
    await keep();
    deliver();
    expect(await keep()).to.deep.equal({ requeueAfterMs: 150_000 });
    await clock.advance(149_000);
    expect(await keep()).to.deep.equal({ requeueAfterMs: 1000 });
    expect(patches()).to.have.length(1);
    await clock.advance(1000);
    await keep();
    expect(patches().at(-1)?.spec.unload).to.deep.equal([grant(450)]);
    expect(logger.lines).to.have.length(1);
  });

  it('knows its own write before the cache does, and looks again after five seconds', async () => {
    const { keep, patches, clock } = await world();
    expect(await keep()).to.deep.equal({ requeueAfterMs: 5000 });
    await clock.advance(4999);
    await keep();
    expect(patches()).to.have.length(1);
    await clock.advance(1);
    await keep();
    expect(patches()).to.have.length(2);
  });

  it('takes the grant back when a pod names the profile, an object wants it, or the agent is not Ready', async () => {
    for (const change of [
      (state: Awaited<ReturnType<typeof world>>['state']) => state.pods.push('shop/web'),
      (state: Awaited<ReturnType<typeof world>>['state']) =>
        state.objects.push({ profile: profileView(), inForce: revisionView() }),
      (state: Awaited<ReturnType<typeof world>>['state']) => Object.assign(state, { agent: { kind: 'gone' } }),
    ]) {
      const { keep, state, deliver, patches, logger } = await world();
      await keep();
      deliver();
      change(state);
      await keep();
      expect(patches().at(-1)?.spec).to.deep.equal({ unload: null });
      expect(logger.lines.slice(1)).to.deep.equal([
        'info an unwanted profile stays loaded',
        'info ended the grant for profiles',
      ]);
      deliver();
      await keep();
      expect(patches()).to.have.length(2);
      expect(logger.lines).to.have.length(3);
    }
  });

  it('objects that vanish one after the other: grants nothing before it has seen whether they vanish together', async () => {
    const { keep, state, client, clock, events } = await world();
    const db = state.objects;
    state.objects = [...db, ...db.map((one) => ({ ...one, profile: profileView({ name: 'x', uid: 'uid-x' }) }))];
    await keep();
    await clock.advance(SETTLED_MS - 1);
    state.objects = db;
    expect(await keep()).to.deep.equal({ requeueAfterMs: SETTLED_MS });
    await clock.advance(SETTLED_MS - 1);
    state.objects = [];
    state.row = rowView({ problems: [unwanted(), unwanted({ object: 'db', profile: 'db', revision: 'd' })] });
    await keep();
    await clock.advance(SETTLED_MS);
    await keep();
    expect(client.calls).to.deep.equal([]);
    expect(events.notices.map(({ reason }) => reason)).to.deep.equal(['UnloadHeld']);
  });

  it('sees what came while it asked for the kind', async () => {
    const { keep, state, patches } = await world();
    state.whileAsking = () => void state.pods.push('shop/web');
    await keep();
    expect(patches()).to.deep.equal([]);
    state.pods = [];
    state.whileAsking = () => void (state.row = undefined);
    await keep();
    expect(patches()).to.deep.equal([]);
  });

  it('asks nothing where there is nothing to grant', async () => {
    const { keep, state, client } = await world();
    state.pods = ['shop/web'];
    expect(await keep()).to.equal(undefined);
    state.row = rowView();
    expect(await keep()).to.equal(undefined);
    state.row = undefined;
    expect(await keep()).to.equal(undefined);
    expect(client.calls).to.deep.equal([]);
  });

  it('grants nothing while the kind is going, takes back what it granted, and looks again', async () => {
    const { keep, state, patches, deliver } = await world();
    await keep();
    deliver();
    state.definition = { ...state.definition, metadata: { deletionTimestamp: 'x' } };
    expect(await keep()).to.deep.equal({ requeueAfterMs: 5000 });
    expect(patches().at(-1)?.spec).to.deep.equal({ unload: null });
    deliver();
    expect(await keep()).to.deep.equal({ requeueAfterMs: 60_000 });
    state.definition = notFound;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 60_000 });
    expect(patches()).to.have.length(2);
  });

  it('where the API server cannot say, it takes back what it granted and tries again', async () => {
    const { keep, state, patches, deliver } = await world();
    await keep();
    deliver();
    state.definition = forbidden;
    expect(await keep().catch((error: unknown) => error)).to.equal(forbidden);
    expect(patches().at(-1)?.spec).to.deep.equal({ unload: null });
  });

  it('grants nothing while the API server is silent', async () => {
    const { keep, state, client } = await world();
    state.heard = false;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 60_000 });
    expect(client.calls).to.deep.equal([]);
  });

  it('grants nothing where all objects vanished together, and says so once', async () => {
    const { keep, state, client, clock, events, logger } = await world();
    state.objects = [];
    state.row = rowView({ problems: [unwanted(), unwanted({ object: 'db', profile: 'db', revision: 'd' })] });
    await keep();
    await keep();
    expect(client.calls).to.deep.equal([]);
    expect(events.notices).to.have.length(1);
    expect(events.notices[0]).to.deep.include({
      type: 'Warning',
      reason: 'UnloadHeld',
      regarding: {
        apiVersion: 'apparmor-operator.dev/v1alpha1',
        kind: 'AppArmorNode',
        name: 'a',
        uid: 'uid-row-a',
      },
    });
    expect(logger.lines.filter((line) => line === 'warn profiles stay loaded')).to.have.length(1);
    state.objects = [{ profile: profileView({ name: 'x', verdict: { kind: 'accepted', hash: 'x', profiles: ['x'] } }), inForce: undefined }]; // prettier-ignore
    await keep();
    expect(client.calls).to.deep.equal([]);
    await clock.advance(SETTLED_MS);
    await keep();
    expect(client.calls).to.include('mergePatch AppArmorNode a');
    state.objects = [];
    await keep();
    expect(events.notices).to.have.length(2);
  });

  it('waits where a node has not yet said whether it wants what it has loaded, and does not cry wolf', async () => {
    const { keep, state, client, clock, events } = await world();
    state.objects = [];
    state.row = rowView({ problems: [unwanted()], loaded: { db: 'd' } });
    expect(await keep()).to.deep.equal({ requeueAfterMs: 5000 });
    expect([client.calls, events.notices]).to.deep.equal([[], []]);
    state.row = rowView({ problems: [unwanted()] });
    await clock.advance(SETTLED_MS);
    await keep();
    expect(client.calls).to.include('mergePatch AppArmorNode a');
  });

  for (const [title, answer] of [
    ['gone', notFound],
    ['another one by now', conflict],
  ] as const) {
    it(`does not mind a row that is ${title}`, async () => {
      const { keep, state, logger } = await world();
      state.answer = answer;
      await keep();
      expect(logger.lines).to.deep.equal([]);
    });
  }

  it('passes on other errors', async () => {
    const { keep, state } = await world();
    state.answer = forbidden;
    expect(await keep().catch((error: unknown) => error)).to.equal(forbidden);
  });

  it('forgets a node that is gone: what comes back begins anew', async () => {
    const { keep, state, patches } = await world();
    await keep();
    const { row } = state;
    state.row = undefined;
    await keep();
    state.row = { ...row!, uid: 'uid-new' };
    await keep();
    expect(patches().map(({ metadata }) => metadata)).to.deep.equal([{ uid: 'uid-row-a' }, { uid: 'uid-new' }]);
    state.node = undefined;
    await keep();
    expect(patches().at(-1)?.spec).to.deep.equal({ unload: null });
  });
});
