import { expect } from 'chai';
import { createNodeLabelKeeper, enforcingLabel } from '../../../../src/controller/nodes/node-label.ts';
import type { NodeFacts } from '../../../../src/controller/status/node-outcome.ts';
import { conflict, fakeClient, fakeLogger, forbidden, going, notFound } from '../fake-client.ts';
import { nodeFacts, nodeView } from '../objects.ts';

const KEY = 'apparmor-operator.dev/enforcing';

describe('enforcingLabel', () => {
  const cases: [what: string, facts: NodeFacts, label: 'true' | 'false' | undefined][] = [
    ['a node that enforces', nodeFacts('a', {}), 'true'],
    ['one that does not', nodeFacts('a', { enforcing: false }), 'false'],
    ['one whose agent cannot start for want of securityfs', nodeFacts('a', false, { agent: { kind: 'securityfsMissing', message: 'm' } }), 'false'], // prettier-ignore
    ['one whose agent has not reported yet', { ...nodeFacts('a', {}), row: { ...nodeFacts('a', {}).row!, enforcing: undefined } }, undefined], // prettier-ignore
    ['one without a row', nodeFacts('a', false), undefined],
    ['one that has booted since', nodeFacts('a', { bootID: 'earlier' }), undefined],
    ['one whose agent is gone', nodeFacts('a', {}, { agent: { kind: 'gone' } }), 'true'],
    ['one that is not Ready', nodeFacts('a', {}, { node: { ready: false } }), 'true'],
    ['a virtual one', nodeFacts('a', {}, { node: { virtual: true } }), undefined],
  ];
  for (const [what, facts, label] of cases) {
    it(what, () => {
      expect(enforcingLabel(facts)).to.equal(label);
    });
  }
});

describe('the keeper of the label', () => {
  it('writes what differs, for this very Node, and nothing else', async () => {
    const { client, label } = keeper();
    await label.keep(nodeView(), 'true', going);
    expect(client.calls).to.deep.equal(['mergePatch Node a']);
    expect(client.bodies).to.deep.equal([{ metadata: { uid: 'uid-a', labels: { [KEY]: 'true' } } }]);
    await label.keep(nodeView({ name: 'b', labels: { [KEY]: 'true' } }), 'false', going);
    expect(client.calls).to.have.length(2);
  });

  it('writes nothing where it is so already, or where nothing is known', async () => {
    const { client, label } = keeper();
    await label.keep(nodeView({ labels: { [KEY]: 'false' } }), 'false', going);
    await label.keep(nodeView({ labels: { [KEY]: 'false' } }), undefined, going);
    await label.keep(nodeView(), undefined, going);
    expect(client.calls).to.deep.equal([]);
  });

  it('waits longer each time where somebody insists on another value', async () => {
    const { client, clock, label } = keeper();
    const edited = nodeView({ labels: { [KEY]: 'x' } });
    const waited: number[] = [];
    while (client.calls.length < 5) {
      const { requeueAfterMs = 0 } = (await label.keep(edited, 'true', going)) ?? {};
      if (requeueAfterMs > 0) waited.push(requeueAfterMs);
      clock.nowMs += requeueAfterMs;
    }
    expect(waited).to.deep.equal([250, 500, 1000, 2000]);
    label.forget('a');
    expect(await label.keep(edited, 'true', going)).to.equal(undefined);
    expect(client.calls).to.have.length(6);
  });

  for (const [what, error, passedOn] of [
    ['gone', notFound, false],
    ['another one by now', conflict, false],
    ['not ours to label', forbidden, true],
  ] as const) {
    it(`${passedOn ? 'says that' : 'leaves'} a Node that is ${what}`, async () => {
      const { label } = keeper(() => error);
      const failure = await label.keep(nodeView(), 'true', going).catch((thrown: unknown) => thrown);
      expect(failure).to.equal(passedOn ? error : undefined);
    });
  }
});

function keeper(answer: () => unknown = () => ({})) {
  const client = fakeClient({ mergePatch: answer });
  const clock = { nowMs: 0 };
  return { client, clock, label: createNodeLabelKeeper({ client, logger: fakeLogger(), now: () => clock.nowMs }) };
}
