import { expect } from 'chai';
import type { Failure } from '../../../src/agent/failure.ts';
import { EMPTY_LEDGER, withIntents } from '../../../src/agent/ledger.ts';
import { planNode } from '../../../src/agent/plan.ts';
import type { PlanInput, PolicyPlan } from '../../../src/agent/plan.ts';
import type { WantedPolicy } from '../../../src/agent/prepared-revision.ts';
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
        it: 'records what made the same bytes anew',
        input: planInput([{ ...web, fingerprint: 'fp-new' }], {
          kernel: heldBy(web),
          ledger: ledgerOf(web),
          compiled: new Map([['fp-new', compiledOf(web)]]),
        }),
        step: {
          kind: 'record',
          load: { ...loadOf(web), fingerprint: 'fp-new' },
          origins: new Map([['web', 'created']]),
        },
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
        step: {
          kind: 'load',
          load: loadOf(replace),
          origins: new Map([['web', 'takenOver']]),
          drift: [{ profile: 'web', kind: 'foreign' }],
        },
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
      const ledger = withIntents(ledgerOf(web), [{ load, object: web.object, origins: new Map() }], BOOT);
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

function check(policy: WantedPolicy, names: readonly string[], mode = 'enforce'): string {
  const compiled = { sha256: 'aa', sha1: 'bb', profiles: names.map((name) => ({ name, mode })) };
  const plan = planNode(planInput([policy], { compiled: new Map([[policy.fingerprint, compiled]]) }));
  return reasonOf(plan.policies[0]);
}
