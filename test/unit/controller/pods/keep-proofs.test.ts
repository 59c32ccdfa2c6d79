import { expect } from 'chai';
import { proofPatch } from '../../../../src/admission/pods/probe.ts';
import type { RuleGroup } from '../../../../src/admission/pods/rule-book.ts';
import { createProofsKeeper } from '../../../../src/controller/pods/keep-proofs.ts';
import { KubeError } from '../../../../src/kube/errors.ts';
import { applyPatch } from '../../admission/pods/json-patch.ts';
import { bookOf, onlyGroup, rule } from '../../admission/pods/rules.ts';
import { going } from '../fake-client.ts';

function world() {
  const book = bookOf([rule('a')]);
  const state = { now: 0, serves: onlyGroup([rule('a')]) as RuleGroup | undefined, asked: 0, told: [] as string[][] };
  const proofs = createProofsKeeper({
    book,
    clock: { now: () => state.now },
    transport: {
      async request({ body = {} }) {
        state.asked += 1;
        await Promise.resolve();
        if (state.serves === undefined) throw new KubeError({ status: 500, reason: 'InternalError', message: 'down' });
        return { status: 201, body: applyPatch(body, proofPatch(body, state.serves)) };
      },
    },
    onState: ({ rules }) => state.told.push(rules.map(({ object }) => object.name)),
  });
  const [{ id } = { id: '' }] = book.groups();
  return { book, state, proofs, id, keep: () => proofs.keep(id, going) };
}

describe('createProofsKeeper', () => {
  it('proves once, and tells', async () => {
    const { state, proofs, keep } = world();
    expect(proofs.state(rule('a'))).to.deep.equal({ kind: 'unproved' });
    expect(await keep()).to.equal(undefined);
    expect(proofs.state(rule('a'))).to.deep.equal({ kind: 'in-force' });
    await keep();
    expect(state).to.deep.include({ asked: 1, told: [['a']] });
  });

  it('tries again, soon at first, and tells what is wrong once', async () => {
    const { state, proofs, keep } = world();
    state.serves = undefined;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 100 });
    state.now = 11_000;
    expect(await keep()).to.deep.equal({ requeueAfterMs: 5000 });
    expect(proofs.state(rule('a'))).to.deep.equal({ kind: 'not-yet', message: 'down' });
    expect(state.told).to.deep.equal([['a']]);
  });

  it('leaves a rule in force while another joins its group, which is not yet', async () => {
    const { book, state, proofs, keep } = world();
    await keep();
    book.set('uid-b', rule('b'));
    await keep();
    expect(proofs.state(rule('a'))).to.deep.equal({ kind: 'in-force' });
    expect(proofs.state(rule('b'))).to.deep.include({ kind: 'not-yet' });
    state.serves = onlyGroup([rule('a'), rule('b')]);
    await keep();
    expect(proofs.state(rule('b'))).to.deep.equal({ kind: 'in-force' });
  });

  it('takes a changed rule for another one', async () => {
    const { book, proofs, keep } = world();
    await keep();
    book.set('uid-a', rule('a', { since: 2 }));
    expect(proofs.state(rule('a', { since: 2 }))).to.deep.equal({ kind: 'unproved' });
  });

  it('asks again when it is in doubt, and takes back what no longer holds', async () => {
    const { state, proofs, id, keep } = world();
    await keep();
    proofs.doubt(id);
    proofs.doubt('unknown');
    expect(proofs.state(rule('a')), 'until it is known better').to.deep.equal({ kind: 'in-force' });
    await keep();
    expect(state.told).to.have.length(1);
    state.serves = undefined;
    proofs.doubt(id);
    await keep();
    expect(proofs.state(rule('a'))).to.deep.equal({ kind: 'not-yet', message: 'down' });
    expect(state.told).to.have.length(2);
  });

  it('forgets a group that has gone', async () => {
    const { book, state, proofs, keep } = world();
    book.set('uid-a', undefined);
    expect(await keep()).to.equal(undefined);
    expect(state.asked).to.equal(0);
    expect(proofs.state(rule('a'))).to.deep.equal({ kind: 'unproved' });
  });
});
