import { expect } from 'chai';
import type { Failure } from '../../../src/agent/failure.ts';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import type { Ledger } from '../../../src/agent/ledger.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
import type { UnwantedRow } from '../../../src/agent/retained.ts';
import { planNode } from '../../../src/agent/plan.ts';
import { BOOT, heldBy, intended, ledgerOf, loadOf, planInput, recorded, wanted } from './objects.ts';

const web = wanted('web');
const web2 = wanted('web', { revision: 'web-r2' });

const failure: Failure = { reason: 'CompileFailed', message: 'syntax error', line: 3 };

describe('agent/plan: what nobody wants', () => {
  it('is retained while the kernel holds it', () => {
    const plan = planNode(planInput([], { kernel: heldBy(web), ledger: ledgerOf(web) }));
    expect(plan.retained).to.deep.equal([unwanted(web)]);
    expect(plan.forget).to.deep.equal([]);
  });

  it('is retained if the agent died before it could complete the ledger', () => {
    const plan = planNode(planInput([], { kernel: heldBy(web), ledger: intended(EMPTY_LEDGER, web) }));
    expect(plan.retained).to.deep.equal([unwanted(web)]);
  });

  it('tells an object that is gone from one that only does not mean this node', () => {
    const living = new Map([['uid-web', { uid: 'uid-web', name: 'web', profiles: new Set(['web']) }]]);
    const plan = planNode(planInput([], { kernel: heldBy(web), ledger: ledgerOf(web), living }));
    expect(plan.retained).to.deep.equal([{ ...unwanted(web), isOrphan: false }]);
  });

  for (const origin of ['adopted', 'takenOver'] as const) {
    it(`is not ours if it was ${origin}`, () => {
      const ledger = recorded(EMPTY_LEDGER, web, BOOT, origin);
      const [row] = planNode(planInput([], { kernel: heldBy(web), ledger })).retained;
      expect(row).to.deep.equal({ profile: 'web', object: 'web', revision: 'web-r1', why: 'notOurs', how: origin });
    });
  }

  it('is not ours any more if something else replaced it', () => {
    const kernel = [{ name: 'web', mode: 'enforce', rawSha256: 'ff' }];
    const [row] = planNode(planInput([], { kernel, ledger: ledgerOf(web) })).retained;
    expect(row).to.deep.include({ revision: 'web-r1', why: 'notOurs', how: 'changed' });
  });

  it('is of the revision that the kernel holds, where the agent died between two', () => {
    const ledger = intended(ledgerOf(web), web2);
    const revisionOf = (held: typeof web): string | undefined =>
      planNode(planInput([], { kernel: heldBy(held), ledger })).retained[0]?.revision;
    expect([revisionOf(web), revisionOf(web2)]).to.deep.equal(['web-r1', 'web-r2']);
  });

  it('counts as ours only by a finished load where the kernel exports no hashes', () => {
    const kernel = [{ name: 'web', mode: 'enforce' }];
    const whyOf = (ledger: Ledger): string | undefined => planNode(planInput([], { kernel, ledger })).retained[0]?.why;
    expect(whyOf(ledgerOf(web))).to.equal('unwanted');
    expect(whyOf(intended(EMPTY_LEDGER, web))).to.equal('notOurs');
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

function unwanted(policy: WantedPolicy): UnwantedRow {
  const { object, revision } = policy;
  return {
    profile: object.name,
    object: object.name,
    revision,
    why: 'unwanted',
    load: loadOf(policy).id,
    isOrphan: true,
  };
}
