import { expect } from 'chai';
import type { Failure } from '../../../src/agent/failure.ts';
import { EMPTY_LEDGER, withIntent } from '../../../src/agent/ledger.ts';
import { planNode } from '../../../src/agent/plan.ts';
import type { PlanInput, PolicyPlan } from '../../../src/agent/plan.ts';
import { BOOT, compiledOf, heldBy, intended, ledgerOf, loadOf, planInput, recorded, wanted } from './objects.ts';

const web = wanted('web');
const web2 = wanted('web', { revision: 'web-r2' });
const both = wanted('both', { profiles: ['one', 'two'], names: ['one', 'one//hat', 'two'] });

const failure: Failure = { reason: 'CompileFailed', message: 'syntax error', line: 3 };

describe('agent/plan', () => {
  describe('what to do with a wanted policy', () => {
    const foreign = [{ name: 'web', mode: 'enforce', rawSha256: 'ff' }];
    const replace = { ...web, conflictPolicy: 'Replace' as const };
    const cases: { it: string; input: PlanInput; step: object }[] = [
      {
        it: 'compiles what is not compiled yet',
        input: planInput([web], { compiled: new Map() }),
        step: { kind: 'compile' },
      },
      {
        it: 'loads what the kernel does not hold, as created',
        input: planInput([web]),
        step: { kind: 'load', load: loadOf(web), origins: new Map([['web', 'created']]), drift: [] },
      },
      {
        it: 'keeps what kernel and ledger agree on',
        input: planInput([web], { kernel: heldBy(web), ledger: ledgerOf(web) }),
        step: { kind: 'keep', load: loadOf(web) },
      },
      {
        it: 'adopts what the kernel holds and the ledger does not know',
        input: planInput([web], { kernel: heldBy(web) }),
        step: { kind: 'record', load: loadOf(web), origins: new Map([['web', 'adopted']]) },
      },
      {
        it: 'completes what was loaded before the agent died',
        input: planInput([web], { kernel: heldBy(web), ledger: intended(EMPTY_LEDGER, web) }),
        step: { kind: 'record', load: loadOf(web), origins: new Map([['web', 'created']]) },
      },
      {
        it: 'loads what was only intended when the agent died',
        input: planInput([web], { ledger: intended(EMPTY_LEDGER, web) }),
        step: { kind: 'load', load: loadOf(web), origins: new Map([['web', 'created']]), drift: [] },
      },
      {
        it: 'replaces its own earlier revision and keeps the origin',
        input: planInput([web2], { kernel: heldBy(web), ledger: recorded(EMPTY_LEDGER, web, BOOT, 'adopted') }),
        step: { kind: 'load', load: loadOf(web2), origins: new Map([['web', 'adopted']]), drift: [] },
      },
      {
        it: 'loads again after a reboot, as created whatever it was before',
        input: planInput([web], { ledger: recorded(EMPTY_LEDGER, web, 'boot-0', 'takenOver') }),
        step: { kind: 'load', load: loadOf(web), origins: new Map([['web', 'created']]), drift: [] },
      },
      {
        it: 'refuses to touch what something else loaded',
        input: planInput([web], { kernel: foreign }),
        step: { kind: 'conflict', profile: 'web', owner: { kind: 'unknown' } },
      },
      {
        it: 'takes it over where the object says Replace',
        input: planInput([replace], { kernel: foreign }),
        step: { kind: 'load', load: loadOf(replace), origins: new Map([['web', 'takenOver']]), drift: [] },
      },
      {
        it: 'counts what something else loaded after a reboot as not ours',
        input: planInput([web], { kernel: foreign, ledger: recorded(EMPTY_LEDGER, web, 'boot-0') }),
        step: { kind: 'conflict', profile: 'web', owner: { kind: 'unknown' } },
      },
      {
        it: 'does not believe an intent that the kernel does not bear out',
        input: planInput([web], { kernel: foreign, ledger: intended(EMPTY_LEDGER, web) }),
        step: { kind: 'conflict', profile: 'web', owner: { kind: 'unknown' } },
      },
      {
        it: 'takes the whole object as conflict for one of its names',
        input: planInput([both], { kernel: [{ name: 'two', mode: 'enforce', rawSha256: 'ff' }] }),
        step: { kind: 'conflict', profile: 'two', owner: { kind: 'unknown' } },
      },
      {
        it: 'adopts and creates within one object',
        input: planInput([both], { kernel: heldBy(both).filter(({ name }) => name === 'one') }),
        step: {
          kind: 'load',
          load: loadOf(both),
          origins: new Map([
            ['one', 'adopted'],
            ['two', 'created'],
          ]),
          drift: [],
        },
      },
      {
        it: 'puts back what was unloaded',
        input: planInput([web], { ledger: ledgerOf(web) }),
        step: {
          kind: 'load',
          load: loadOf(web),
          origins: new Map([['web', 'created']]),
          drift: [{ profile: 'web', kind: 'unloaded' }],
        },
      },
      {
        it: 'puts back what was replaced, and what was switched to another mode',
        input: planInput([both], {
          ledger: ledgerOf(both),
          kernel: heldBy(both).map((profile) =>
            profile.name === 'one' ? { ...profile, rawSha256: 'ff' } : { ...profile, mode: 'complain' },
          ),
        }),
        step: {
          kind: 'load',
          load: loadOf(both),
          origins: new Map([
            ['one', 'created'],
            ['two', 'created'],
          ]),
          drift: [
            { profile: 'one', kind: 'replaced' },
            { profile: 'one//hat', kind: 'mode', mode: 'complain' },
            { profile: 'two', kind: 'mode', mode: 'complain' },
          ],
        },
      },
      {
        it: 'reports a refusal of the review without compiling',
        input: planInput([{ ...web, refusal: failure }], { compiled: new Map() }),
        step: { kind: 'failed', failure },
      },
      {
        it: 'does not compile again what did not compile',
        input: planInput([web], { compiled: new Map(), failures: new Map([[web.fingerprint, failure]]) }),
        step: { kind: 'failed', failure },
      },
      {
        it: 'compiles again once it is time',
        input: planInput([web], {
          compiled: new Map(),
          failures: new Map([[web.fingerprint, { ...failure, retryAt: 1_000 }]]),
        }),
        step: { kind: 'compile' },
      },
      {
        it: 'waits before it tries again what the kernel refused',
        input: planInput([web], { failures: new Map([[loadOf(web).id, { ...failure, retryAt: 1_001 }]]) }),
        step: { kind: 'failed', failure: { ...failure, retryAt: 1_001 } },
      },
      {
        it: 'forgets a failure that is no longer true',
        input: planInput([web], {
          kernel: heldBy(web),
          ledger: ledgerOf(web),
          failures: new Map([[loadOf(web).id, { ...failure, retryAt: 1_001 }]]),
        }),
        step: { kind: 'keep', load: loadOf(web) },
      },
      {
        it: 'does not miss children that learning made up',
        input: planInput([wanted('web', { names: ['web', 'web//null-x'] })], {
          kernel: heldBy(wanted('web', { names: ['web', 'web//null-x'] })).slice(0, 1),
        }),
        step: {
          kind: 'record',
          load: loadOf(wanted('web', { names: ['web', 'web//null-x'] })),
          origins: new Map([['web', 'adopted']]),
        },
      },
    ];
    for (const { it: title, input, step } of cases) {
      it(title, () => {
        const plan = planNode(input);
        expect(plan.policies.map((policy) => policy.step)).to.deep.equal([step]);
        expect(plan.retained).to.deep.equal([]);
      });
    }
  });

  describe('compiled policy and text', () => {
    const check = (policy: typeof web, names: readonly string[], mode = 'enforce'): string => {
      const compiled = { sha256: 'aa', profiles: names.map((name) => ({ name, mode })) };
      const plan = planNode(planInput([policy], { compiled: new Map([[policy.fingerprint, compiled]]) }));
      return reasonOf(plan.policies[0]);
    };

    it('must have the same names', () => {
      expect(check(web, ['web', 'docker-default'])).to.equal('NameMismatch');
      expect(check(both, ['one', 'two'])).to.equal('NameMismatch');
      expect(check(web, ['web', 'web//hat'])).to.equal('NameMismatch');
    });

    it('may have more children where the text includes files', () => {
      const including = { ...web, hasIncludes: true };
      expect(check(including, ['web', 'web//sanitized_helper'])).to.equal('load');
      expect(check(including, ['web', 'sanitized_helper'])).to.equal('NameMismatch');
      expect(check(including, ['web', 'other//sanitized_helper'])).to.equal('NameMismatch');
    });

    it('must have the mode of the object', () => {
      expect(check({ ...web, mode: 'Complain' }, ['web'], 'enforce')).to.equal('ModeMismatch');
      expect(check({ ...web, mode: 'Complain' }, ['web'], 'complain')).to.equal('load');
      expect(check({ ...web, mode: 'Enforce' }, ['web'], 'complain')).to.equal('ModeMismatch');
      expect(check({ ...web, mode: 'Enforce' }, ['web'], 'kill')).to.equal('load');
      expect(check(web, ['web'], 'complain')).to.equal('load');
    });
  });

  describe('the last good load', () => {
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
      const failed = planNode(
        planInput([here], { compiled: new Map(), failures: new Map([['fp-2', failure]]), ledger }),
      );
      expect(failed.policies[0]?.fallback).to.deep.include({ kind: 'load', load: loadOf(web) });
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

  describe('ownership', () => {
    const older = wanted('older', {
      object: { uid: 'uid-o', name: 'older', creationTimestamp: '2029-01-01T00:00:00Z' },
      profiles: ['shared'],
      names: ['shared'],
    });
    const younger = wanted('younger', { profiles: ['mine', 'shared'], names: ['mine', 'shared'] });
    const steps = (input: PlanInput): unknown[] => planNode(input).policies.map(({ step }) => step.kind);

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

  describe('what nobody wants', () => {
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

  describe('a kernel that exports no hashes', () => {
    const kernel = heldBy(web).map(({ name, mode }) => ({ name, mode }));

    it('is believed by name and mode where the ledger says so', () => {
      expect(planNode(planInput([web], { kernel, ledger: ledgerOf(web) })).policies[0]?.step.kind).to.equal('keep');
    });

    it('is not adopted from', () => {
      expect(planNode(planInput([web], { kernel })).policies[0]?.step.kind).to.equal('conflict');
    });

    it('is loaded again after an intent', () => {
      const plan = planNode(planInput([web], { kernel, ledger: intended(EMPTY_LEDGER, web) }));
      expect(plan.policies[0]?.step.kind).to.equal('load');
    });

    it('does not take an intent for a load', () => {
      const load = loadOf(web2);
      const ledger = withIntent(ledgerOf(web), { load, object: web.object, origins: new Map() }, BOOT);
      expect(planNode(planInput([web2], { kernel, ledger })).policies[0]?.step.kind).to.equal('load');
    });
  });

  it('compiles for a conflict only where equal bytes could be adopted', () => {
    const input = planInput([web], { kernel: [{ name: 'web', mode: 'enforce' }], compiled: new Map() });
    expect(planNode(input).policies[0]?.step.kind).to.equal('compile');
    expect(compiledOf(web).profiles).to.have.length(1);
  });
});

function reasonOf(plan: PolicyPlan | undefined): string {
  return plan?.step.kind === 'failed' ? plan.step.failure.reason : (plan?.step.kind ?? '');
}
