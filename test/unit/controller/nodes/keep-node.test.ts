import { expect } from 'chai';
import type { AgentState } from '../../../../src/controller/nodes/agent-presence.ts';
import { createNodeKeeper } from '../../../../src/controller/nodes/keep-node.ts';
import type { NodeView } from '../../../../src/controller/nodes/node-view.ts';
import type { RowView } from '../../../../src/controller/nodes/row-view.ts';
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
import { nodeView, rowView } from '../objects.ts';

function world(answers: Answers, change: { node?: NodeView; row?: RowView } = {}) {
  const state = {
    node: (change.node ?? nodeView()) as NodeView | undefined,
    row: change.row,
    agent: { kind: 'ready' } as AgentState,
    told: 0,
    nowMs: 0,
  };
  const client = fakeClient(answers);
  const keeper = createNodeKeeper({
    client,
    logger: fakeLogger(),
    now: () => state.nowMs,
    node: () => state.node,
    row: () => state.row,
    agent: () => state.agent,
    onAgentChange: () => (state.told += 1),
  });
  return { state, client, keep: () => keeper.keep('a', going) };
}

describe('createNodeKeeper', () => {
  const owner = {
    apiVersion: 'v1',
    kind: 'Node',
    name: 'a',
    uid: 'uid-a',
    controller: true,
    blockOwnerDeletion: false,
  };

  it('creates the row, owned by the Node', async () => {
    const { keep, client } = world({ create: () => ({}) });
    await keep();
    expect(client.calls).to.deep.equal(['create AppArmorNode a']);
    expect(client.bodies[0]).to.deep.equal({
      metadata: {
        name: 'a',
        labels: { 'app.kubernetes.io/managed-by': 'apparmor-operator' },
        ownerReferences: [owner],
      },
      spec: {},
    });
  });

  it('gives an orphaned row its owner', async () => {
    const { keep, client } = world({ mergePatch: () => ({}) }, { row: rowView({ owners: [] }) });
    await keep();
    expect(client.bodies[0]).to.deep.equal({ metadata: { uid: 'uid-row-a', ownerReferences: [owner] } });
  });

  it('has a row tracked no longer, unless it was changed meanwhile', async () => {
    const { keep, client } = world({ mergePatch: () => conflict }, { row: rowView({ trackedAt: '7' }) });
    await keep();
    expect(client.bodies[0]).to.deep.equal({
      metadata: { uid: 'uid-row-a', resourceVersion: '7', managedFields: [{}] },
    });
  });

  for (const [title, error, verb, passedOn] of [
    ['somebody created it meanwhile', alreadyExists, 'create', false],
    ['somebody changed it meanwhile', conflict, 'mergePatch', false],
    ['it is gone meanwhile', notFound, 'mergePatch', false],
    ['the kind is gone, and nobody tells when it is back', notFound, 'create', true],
    ['it may not', forbidden, 'create', true],
  ] as const) {
    it(`${passedOn ? 'tries again' : 'waits for the watch'} where ${title}`, async () => {
      const { keep } = world({ [verb]: () => error }, verb === 'create' ? {} : { row: rowView({ owners: [] }) });
      expect(await keep().catch((error: unknown) => error)).to.equal(passedOn ? error : undefined);
    });
  }

  it('tells when a node’s agent counts differently, and looks again when its grace ends', async () => {
    const node = nodeView({ labels: { 'apparmor-operator.dev/enforcing': 'true' } });
    const { keep, state } = world({ mergePatch: () => ({}) }, { node, row: rowView() });
    expect(await keep()).to.equal(undefined);
    state.agent = { kind: 'grace', endsInMs: 500 };
    expect(await keep()).to.deep.equal({ requeueAfterMs: 500 });
    expect(state.told).to.equal(0);
    for (const [agent, told] of [
      [{ kind: 'gone' }, 1],
      [{ kind: 'gone' }, 1],
      [{ kind: 'securityfsMissing', message: 'm' }, 2],
      [{ kind: 'ready' }, 3],
    ] as const) {
      state.agent = agent;
      await keep();
      expect(state.told).to.equal(told);
    }
    state.agent = { kind: 'gone' };
    await keep();
    state.node = undefined;
    await keep();
    state.node = nodeView();
    await keep();
    expect(state.told).to.equal(5);
  });

  it('labels the node by its row, and looks again at what comes due first', async () => {
    const { keep, state, client } = world({ mergePatch: () => ({}) }, { row: rowView({ enforcing: false }) });
    expect(await keep()).to.equal(undefined);
    expect(client.bodies).to.deep.equal([
      { metadata: { uid: 'uid-a', labels: { 'apparmor-operator.dev/enforcing': 'false' } } },
    ]);
    // Somebody has taken it away again.
    state.agent = { kind: 'grace', endsInMs: 100_000 };
    expect(await keep()).to.deep.equal({ requeueAfterMs: 250 });
    state.agent = { kind: 'grace', endsInMs: 100 };
    expect(await keep()).to.deep.equal({ requeueAfterMs: 100 });
    state.nowMs += 250;
    await keep();
    expect(client.calls).to.have.length(2);
  });
});
