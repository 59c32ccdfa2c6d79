import { expect } from 'chai';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import { planNode } from '../../../src/agent/plan.ts';
import type { PlanInput } from '../../../src/agent/plan.ts';
import { heldBy, intended, ledgerOf, loadOf, planInput, wanted } from './objects.ts';

const web = wanted('web');

describe('agent/plan: ownership', () => {
  const older = wanted('older', {
    object: { uid: 'uid-o', name: 'older', creationTimestamp: '2029-01-01T00:00:00Z' },
    profiles: ['shared'],
    names: ['shared'],
  });
  const younger = wanted('younger', { profiles: ['mine', 'shared'], names: ['mine', 'shared'] });
  it("is the oldest object's", () => {
    const plan = planNode(planInput([younger, older]));
    expect(plan.policies.map(({ step }) => step)).to.deep.include({
      kind: 'conflict',
      profile: 'shared',
      owner: { kind: 'object', name: 'older' },
    });
    expect(plan.policies[1]?.step.kind).to.equal('load');
  });

  it("is the smaller uid's among those of the same second", () => {
    const a = { ...wanted('a', { profiles: ['shared'], names: ['shared'] }) };
    const b = { ...wanted('b', { profiles: ['shared'], names: ['shared'] }) };
    expect(steps(planInput([b, a]))).to.deep.equal(['conflict', 'load']);
  });

  it('stays with who has it loaded', () => {
    expect(steps(planInput([younger, older], { kernel: heldBy(younger), ledger: ledgerOf(younger) }))).to.deep.equal([
      'keep',
      'conflict',
    ]);
  });

  it('does not begin with an intent', () => {
    const input = planInput([younger, older], { ledger: intended(EMPTY_LEDGER, younger) });
    expect(steps(input)).to.deep.equal(['conflict', 'load']);
  });

  it('stays with an object that does not mean this node any more but lives', () => {
    const input = planInput([older], {
      living: new Map([
        ['uid-younger', { uid: 'uid-younger', name: 'younger', profiles: new Set(['mine', 'shared']) }],
        ['uid-o', { uid: 'uid-o', name: 'older', profiles: new Set(['shared']) }],
      ]),
      kernel: heldBy(younger),
      ledger: ledgerOf(younger),
    });
    const plan = planNode(input);
    expect(plan.policies[0]?.step).to.deep.equal({
      kind: 'conflict',
      profile: 'shared',
      owner: { kind: 'object', name: 'younger' },
    });
    expect(plan.retained.map(({ profile }) => profile)).to.deep.equal(['mine', 'shared']);
  });

  it('stays with an object whose text is not here yet', () => {
    const living = new Map([['uid-younger', { uid: 'uid-younger', name: 'younger' }]]);
    const plan = planNode(planInput([older], { living, kernel: heldBy(younger), ledger: ledgerOf(younger) }));
    expect(plan.policies[0]?.step.kind).to.equal('conflict');
    expect([plan.retained, plan.forget]).to.deep.equal([[], []]);
  });

  it('passes on when the object is deleted, without a gap', () => {
    const plan = planNode(planInput([older], { kernel: heldBy(younger), ledger: ledgerOf(younger) }));
    expect(plan.policies[0]?.step).to.deep.equal({
      kind: 'load',
      load: loadOf(older),
      origins: new Map([['shared', 'created']]),
      drift: [],
    });
  });

  it('passes on when the object no longer defines the name', () => {
    const renamed = wanted('younger', { revision: 'r2', profiles: ['mine'], names: ['mine'] });
    const plan = planNode(planInput([renamed, older], { kernel: heldBy(younger), ledger: ledgerOf(younger) }));
    expect(plan.policies.map(({ step }) => step.kind)).to.deep.equal(['load', 'load']);
  });

  it("takes a re-created object's profile up again by the ledger alone", () => {
    const again = wanted('web', { object: { ...web.object, uid: 'uid-again' } });
    const plan = planNode(planInput([again], { kernel: heldBy(web), ledger: ledgerOf(web) }));
    expect(plan.policies[0]?.step).to.deep.include({ kind: 'record', origins: new Map([['web', 'created']]) });
  });

  it('counts children to their parent', () => {
    const intruder = wanted('zz', { profiles: ['web//evil'], names: ['web//evil'] });
    expect(steps(planInput([web, intruder]))).to.deep.equal(['load', 'conflict']);
  });
});

function steps(input: PlanInput): string[] {
  return planNode(input).policies.map(({ step }) => step.kind);
}
