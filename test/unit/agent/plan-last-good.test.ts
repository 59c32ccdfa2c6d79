import { expect } from 'chai';
import type { Failure } from '../../../src/agent/failure.ts';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import { planNode } from '../../../src/agent/plan.ts';
import { heldBy, ledgerOf, loadOf, planInput, recorded, wanted } from './objects.ts';

const web = wanted('web');
const web2 = wanted('web', { revision: 'web-r2' });

const failure: Failure = { reason: 'CompileFailed', message: 'syntax error', line: 3 };

describe('agent/plan: the last good load', () => {
  const broken = new Map([[web2.fingerprint, failure]]);
  const held = { compiled: new Map(), failures: broken, ledger: ledgerOf(web) };

  it('stays while the new revision does not compile', () => {
    const plan = planNode(planInput([web2], { ...held, kernel: heldBy(web) }));
    expect(plan.policies[0]?.step.kind).to.equal('failed');
    expect(plan.policies[0]?.fallback).to.deep.equal({ kind: 'held', load: loadOf(web) });
  });

  it('is put back when it was unloaded meanwhile', () => {
    const plan = planNode(planInput([web2], held));
    expect(plan.policies[0]?.fallback).to.deep.equal({
      kind: 'load',
      load: loadOf(web),
      origins: new Map([['web', 'created']]),
      drift: [{ profile: 'web', kind: 'unloaded' }],
    });
  });

  it('is loaded after a reboot', () => {
    const plan = planNode(planInput([web2], { ...held, ledger: recorded(EMPTY_LEDGER, web, 'boot-0') }));
    expect(plan.policies[0]?.fallback).to.deep.include({ kind: 'load', load: loadOf(web), drift: [] });
  });

  it('is loaded after a reboot before the new revision is compiled', () => {
    const ledger = recorded(EMPTY_LEDGER, web, 'boot-0');
    const plan = planNode(planInput([web2], { compiled: new Map(), ledger }));
    expect(plan.policies[0]?.step.kind).to.equal('compile');
    expect(plan.policies[0]?.fallback?.kind).to.equal('load');
  });

  it('waits for the recompile if it is from another kernel or image', () => {
    const ledger = recorded(EMPTY_LEDGER, web, 'boot-0');
    const here = wanted('web', { environment: 'env-2', fingerprint: 'fp-2' });
    const compiling = planNode(planInput([here], { compiled: new Map(), ledger }));
    expect(compiling.policies[0]?.fallback).to.equal(undefined);
    const failed = planNode(planInput([here], { compiled: new Map(), failures: new Map([['fp-2', failure]]), ledger }));
    expect(failed.policies[0]?.fallback).to.deep.include({ kind: 'load', load: loadOf(web) });
  });

  it('is loaded meanwhile if the recompile takes long', () => {
    const ledger = recorded(EMPTY_LEDGER, web, 'boot-0');
    const here = wanted('web', { environment: 'env-2', fingerprint: 'fp-2' });
    const slow = new Set(['fp-2']);
    const plan = planNode(planInput([here], { compiled: new Map(), ledger, isSlow: (one) => slow.has(one) }));
    expect(plan.policies[0]?.step.kind).to.equal('compile');
    expect(plan.policies[0]?.fallback).to.deep.include({ kind: 'load', load: loadOf(web) });
  });

  it('is not tried again at once if the kernel refused it too', () => {
    const failures = new Map([...broken, [loadOf(web).id, { ...failure, retryAt: 9_999 }]]);
    const plan = planNode(planInput([web2], { ...held, failures }));
    expect(plan.policies[0]?.fallback).to.deep.include({ kind: 'failed', load: loadOf(web) });
  });

  it('does not replace what something else loaded after a reboot', () => {
    const kernel = [{ name: 'web', mode: 'enforce', rawSha256: 'ff' }];
    const plan = planNode(planInput([web2], { ...held, kernel, ledger: recorded(EMPTY_LEDGER, web, 'boot-0') }));
    expect(plan.policies[0]?.fallback).to.equal(undefined);
  });

  it('does not come back over a name that another object owns now', () => {
    const renamed = wanted('web', { revision: 'web-r2', profiles: ['web2'], names: ['web2'] });
    const other = wanted('other', { profiles: ['web'], names: ['web'] });
    const plan = planNode(
      planInput([renamed, other], {
        ledger: recorded(EMPTY_LEDGER, web, 'boot-0'),
        failures: new Map([[renamed.fingerprint, failure]]),
      }),
    );
    expect(plan.policies.map(({ step }) => step.kind)).to.deep.equal(['failed', 'load']);
    expect(plan.policies[0]?.fallback).to.equal(undefined);
  });

  it("is ignored if the ledger holds another object's", () => {
    const ledger = ledgerOf(web);
    const objects = new Map(ledger.objects).set('uid-web', {
      name: 'web',
      creationTimestamp: '',
      lastGood: 'nothing',
    });
    const plan = planNode(planInput([web2], { ...held, ledger: { ...ledger, objects } }));
    expect(plan.policies[0]?.fallback).to.equal(undefined);
  });
});
