import { expect } from 'chai';
import type { Failure } from '../../../src/agent/failure.ts';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import { planNode } from '../../../src/agent/plan.ts';
import { heldBy, intended, ledgerOf, planInput, recorded, wanted } from './objects.ts';

const web = wanted('web');
const web2 = wanted('web', { revision: 'web-r2' });

const failure: Failure = { reason: 'CompileFailed', message: 'syntax error', line: 3 };

describe('agent/plan: what nobody wants', () => {
  it('is retained while the kernel holds it', () => {
    const plan = planNode(planInput([], { kernel: heldBy(web), ledger: ledgerOf(web) }));
    expect(plan.retained).to.deep.equal([{ profile: 'web', object: 'web', revision: 'web-r1', why: 'unwanted' }]);
    expect(plan.forget).to.deep.equal([]);
  });

  it('is retained if the agent died before it could complete the ledger', () => {
    const plan = planNode(planInput([], { kernel: heldBy(web), ledger: intended(EMPTY_LEDGER, web) }));
    expect(plan.retained).to.deep.equal([{ profile: 'web', object: 'web', revision: 'web-r1', why: 'unwanted' }]);
  });

  it('is forgotten once the kernel does not hold it', () => {
    expect(planNode(planInput([], { ledger: ledgerOf(web) })).forget).to.deep.equal(['web']);
  });

  it('is forgotten if something else loaded it in this boot', () => {
    const ledger = recorded(EMPTY_LEDGER, web, 'boot-0');
    const plan = planNode(planInput([], { kernel: heldBy(web), ledger }));
    expect([plan.retained, plan.forget]).to.deep.equal([[], ['web']]);
  });

  it('includes the old name after a rename', () => {
    const renamed = wanted('web', { revision: 'web-r2', profiles: ['web2'], names: ['web2'] });
    const ledger = recorded(ledgerOf(web), renamed);
    const plan = planNode(planInput([renamed], { kernel: heldBy(web, renamed), ledger }));
    expect(plan.policies[0]?.step.kind).to.equal('keep');
    expect(plan.retained.map(({ profile }) => profile)).to.deep.equal(['web']);
  });

  it('does not include the old name while the new text does not compile', () => {
    const renamed = wanted('web', { revision: 'web-r2', profiles: ['web2'], names: ['web2'] });
    const plan = planNode(
      planInput([renamed], {
        kernel: heldBy(web),
        ledger: ledgerOf(web),
        failures: new Map([[renamed.fingerprint, failure]]),
      }),
    );
    expect(plan.policies[0]?.fallback?.kind).to.equal('held');
    expect(plan.retained).to.deep.equal([]);
  });

  it('includes children that the new text no longer defines', () => {
    const before = wanted('web', { names: ['web', 'web//hat'] });
    const kernel = [...heldBy(web2), ...heldBy(before).slice(1)];
    const plan = planNode(planInput([web2], { kernel, ledger: recorded(ledgerOf(before), web2) }));
    expect(plan.policies[0]?.step.kind).to.equal('keep');
    expect(plan.retained).to.deep.equal([
      { profile: 'web//hat', object: 'web', revision: 'web-r2', why: 'staleChild' },
    ]);
  });

  it('includes stale children of the last good load', () => {
    const kernel = [...heldBy(web), { name: 'web//hat', mode: 'enforce', rawSha256: 'ff' }];
    const failures = new Map([[web2.fingerprint, failure]]);
    const plan = planNode(planInput([web2], { kernel, ledger: ledgerOf(web), failures }));
    expect(plan.retained.map(({ profile }) => profile)).to.deep.equal(['web//hat']);
  });
});
