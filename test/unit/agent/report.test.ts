import { expect } from 'chai';
import { EMPTY_LEDGER } from '../../../src/agent/ledger.ts';
import { planNode } from '../../../src/agent/plan.ts';
import type { ConflictOwner, Plan, PlanInput, PolicyPlan } from '../../../src/agent/plan.ts';
import { clip } from '../../../src/agent/clip.ts';
import { nodeStatus } from '../../../src/agent/report.ts';
import type { ProfileUse, UnloadKnowledge } from '../../../src/agent/removals.ts';
import type { ReportInput } from '../../../src/agent/report.ts';
import {
  BOOT,
  completed,
  content,
  headOf,
  heldBy,
  intended,
  ledgerOf,
  loadOf,
  NOTHING_GRANTED,
  planInput,
  recorded,
  wanted,
} from './objects.ts';

const web = wanted('web');
const web2 = wanted('web', { revision: 'web-r2' });

function report(input: PlanInput, change: Partial<ReportInput> = {}): ReturnType<typeof nodeStatus> {
  return nodeStatus({
    bootID: BOOT,
    kernelRelease: '6.12.0',
    parser: '4.1.0',
    state: { enforcing: true },
    plan: planNode(input),
    kernel: input.kernel,
    ledger: input.ledger,
    invalid: [],
    ...change,
  });
}

function planOf(policy: Partial<PolicyPlan>): Plan {
  return {
    policies: [{ policy: web, step: { kind: 'compile' }, ...policy }],
    retained: [],
    removals: [],
    waiting: [],
    forget: [],
  };
}

describe('agent/report', () => {
  it('lists what the kernel holds, sorted', () => {
    const zoo = wanted('zoo', { profiles: ['zoo', 'ape'], names: ['zoo', 'zoo//hat', 'ape'] });
    const input = planInput([zoo, web], { kernel: heldBy(zoo, web), ledger: ledgerOf(zoo, web) });
    expect(report(input)).to.deep.equal({
      bootID: BOOT,
      enforcing: true,
      kernel: '6.12.0',
      parser: '4.1.0',
      loaded: { ape: 'zoo-r1', web: 'web-r1', zoo: 'zoo-r1' },
      loadedCount: 3,
      problems: [],
      problemCount: 0,
    });
    expect(Object.keys(report(input).loaded ?? {})).to.deep.equal(['ape', 'web', 'zoo']);
  });

  it('says why a node does not enforce, and lists nothing', () => {
    const input = planInput([web], { kernel: heldBy(web), ledger: ledgerOf(web) });
    const { kernelRelease: _, parser: __, ...rest } = reportInput(input);
    const status = nodeStatus({ ...rest, state: { enforcing: false, reason: 'AppArmorDisabled', message: 'boot it' } });
    expect(status).to.deep.equal({
      bootID: BOOT,
      enforcing: false,
      reason: 'AppArmorDisabled',
      message: 'boot it',
      loadedCount: 0,
      problemCount: 0,
    });
  });

  it('says what is wrong with the agent itself', () => {
    const trouble = { reason: 'StateFolderUnusable', message: 'full' };
    expect(report(planInput([]), { trouble })).to.include({ enforcing: true, ...trouble });
  });

  it('does not list what differs, was loaded before the boot, or is only intended', () => {
    const changed = heldBy(web).map((profile) => ({ ...profile, mode: 'complain' }));
    expect(report(planInput([web], { kernel: changed, ledger: ledgerOf(web) }))).to.deep.include({ loaded: {} });
    const earlier = recorded(EMPTY_LEDGER, web, 'boot-0');
    expect(report(planInput([web], { kernel: heldBy(web), ledger: earlier }))).to.deep.include({ loaded: {} });
    const only = intended(EMPTY_LEDGER, web);
    expect(report(planInput([web], { kernel: heldBy(web), ledger: only }))).to.deep.include({ loaded: {} });
  });

  it('lists the healthy profile beside one that differs', () => {
    const two = wanted('two', { profiles: ['a', 'b'], names: ['a', 'a//hat', 'b'] });
    const kernel = heldBy(two).filter(({ name }) => name !== 'a//hat');
    expect(report(planInput([two], { kernel, ledger: ledgerOf(two) }))).to.deep.include({ loaded: { b: 'two-r1' } });
  });

  it('names the revision that stays loaded when the new one fails', () => {
    const failure = { reason: 'CompileFailed' as const, message: 'syntax error, unexpected }', line: 7 };
    const failures = new Map([[web2.fingerprint, failure]]);
    const status = report(planInput([web2], { kernel: heldBy(web), ledger: ledgerOf(web), failures }));
    expect(status).to.deep.include({
      loaded: { web: 'web-r1' },
      problemCount: 1,
      problems: [
        {
          profile: 'web',
          object: 'web',
          revision: 'web-r2',
          state: 'Failed',
          reason: 'CompileFailed',
          message: 'syntax error, unexpected } (revision web-r1 stays loaded)',
          line: 7,
        },
      ],
    });
  });

  it('cuts a long message so that what stays loaded is still said', () => {
    const failure = { reason: 'CompileFailed' as const, message: 'ä'.repeat(300) };
    const [problem] =
      report(planInput([]), {
        plan: planOf({ step: { kind: 'failed', failure }, fallback: { kind: 'held', load: loadOf(web) } }),
      }).problems ?? [];
    expect(Buffer.byteLength(problem?.message ?? '')).to.be.within(250, 256);
    expect(problem?.message).to.match(/… \(revision web-r1 stays loaded\)$/);
    expect(problem).to.not.have.property('line');
  });

  it('says who owns a name', () => {
    expect(conflict({ kind: 'object', name: 'older' })).to.deep.equal({
      profile: 'shared',
      object: 'web',
      revision: 'web-r1',
      state: 'Conflict',
      reason: 'OwnedByOtherObject',
      message: 'the AppArmorProfile older owns the profile name shared: rename it in web',
    });
    expect(conflict({ kind: 'unknown' })).to.include({ state: 'Conflict', reason: 'LoadedBySomethingElse' });
  });

  it('reports what is retained apart from what is loaded', () => {
    const status = report(planInput([], { kernel: heldBy(web), ledger: ledgerOf(web) }));
    expect(status).to.deep.include({ loaded: {}, loadedCount: 0 });
    expect(status.problems?.[0]).to.include({
      profile: 'web',
      object: 'web',
      revision: 'web-r1',
      state: 'Retained',
      reason: 'NoLongerWanted',
    });
    const stale = {
      ...planNode(planInput([])),
      retained: [{ profile: 'web//hat', object: 'web', revision: 'web-r1', why: 'staleChild' as const }],
    };
    expect(report(planInput([]), { plan: stale }).problems?.[0]).to.include({
      state: 'Retained',
      reason: 'StaleChild',
    });
  });

  describe('says why what nobody wants stays', () => {
    const pair = wanted('pair', { profiles: ['one', 'two'], names: ['one', 'two'] });
    const again = wanted('web', { object: { ...web.object, uid: 'uid-again' }, fingerprint: 'fp-again' });
    const retained = (unload: Partial<UnloadKnowledge>, change: Partial<PlanInput> = {}): string[] => {
      const input = planInput([], { kernel: heldBy(web), ledger: ledgerOf(web), ...change });
      const { problems = [] } = report({ ...input, unload: { ...NOTHING_GRANTED, ...unload } });
      return problems.filter(({ state }) => state === 'Retained').map(({ reason, message }) => `${reason}: ${message}`);
    };
    const one = (use: ProfileUse): string[] => retained({ uses: new Map([['web', use]]) });
    const waits = `NoLongerWanted: ${isWhole('; it stays loaded until no pod refers to it and no process runs under it')}`;

    const cases: { it: string; is: string[]; says: readonly string[] }[] = [
      { it: 'that nobody has granted it', is: retained({}), says: [waits] },
      { it: 'that nothing may be removed now, alike', is: retained({ allowed: false }), says: [waits] },
      { it: 'one process', is: one(counted(1)), says: [`InUse: ${isWhole(', but 1 process runs under it')}`] },
      { it: 'several', is: one(counted(12)), says: [`InUse: ${isWhole(', but 12 processes run under it')}`] },
      {
        it: 'what cannot be read',
        is: one(counted(0, 1)),
        says: [`InUse: ${isWhole(', but 1 process cannot be looked into')}`],
      },
      {
        it: 'both',
        is: one(counted(2, 3)),
        says: [`InUse: ${isWhole(', but 2 processes run under it, and 3 processes cannot be looked into')}`],
      },
      {
        it: 'that it cannot see',
        is: one({ kind: 'unseen', message: 'no /proc' }),
        says: [`InUse: ${isWhole(', but what runs under it cannot be seen: no /proc')}`],
      },
      {
        it: 'what runs under another of the same text',
        is: retained({ uses: new Map([['two', counted(2)]]) }, { kernel: heldBy(pair), ledger: ledgerOf(pair) }),
        says: [
          `InUse: ${isWhole(', but 2 processes run under two, which was loaded with it')}`,
          `InUse: ${isWhole(', but 2 processes run under it')}`,
        ],
      },
      {
        it: 'what the kernel refused',
        is: retained({
          grants: [{ profile: 'web', revision: 'web-r1', expires: '2030-01-01T00:01:00Z' }],
          failures: new Map([['web', { reason: 'KernelRefused', message: 'no right', retryAt: 2_000 }]]),
        }),
        says: [`NoLongerWanted: ${isWhole('; no right')}`],
      },
      {
        it: 'that another object will load it',
        is: retained(
          {},
          { ...planInput([again], { compiled: new Map() }), kernel: heldBy(web), ledger: ledgerOf(web) },
        ),
        says: [
          'NoLongerWanted: its object is gone; it stays loaded until another object that defines it is loaded here',
        ],
      },
      ...(['adopted', 'takenOver'] as const).map((origin) => ({
        it: `that it was ${origin}`,
        is: retained({}, { ledger: recorded(EMPTY_LEDGER, web, BOOT, origin) }),
        says: [
          `NotOurs: ${isWhole(
            origin === 'adopted'
              ? '; the agent found it loaded and did not create it, so it is never removed'
              : '; something else had created it before it was taken over, so it is never removed',
          )}`,
        ],
      })),
      {
        it: 'that something else replaced it',
        is: retained({}, { kernel: [{ name: 'web', mode: 'enforce', rawSha256: 'ff' }] }),
        says: [`NotOurs: ${isWhole('; something else has replaced it since, so it is never removed')}`],
      },
    ];
    for (const { it: title, is, says } of cases) {
      it(title, () => {
        expect(is).to.deep.equal(says);
        for (const line of is) expect(Buffer.byteLength(line)).to.be.at.most(256);
      });
    }
  });

  it('lists the last corrections of this boot, the newest first, 16 at most', () => {
    const many = Array.from({ length: 18 }, (_, at) => wanted(`p${String(at).padStart(2, '0')}`));
    let ledger = recorded(EMPTY_LEDGER, web);
    for (const [at, policy] of many.entries()) {
      const corrected = new Map([[policy.object.name, { what: 'Replaced' as const, time: timeOf(at) }]]);
      ledger = completed(intended(ledger, policy), policy, { corrections: corrected });
    }
    const { drift } = report(planInput(many, { kernel: heldBy(...many), ledger }));
    expect(drift?.map(({ profile }) => profile)).to.deep.equal(
      many
        .map(({ object }) => object.name)
        .toReversed()
        .slice(0, 16),
    );
    expect(drift?.[0]).to.deep.equal({ profile: 'p17', object: 'p17', what: 'Replaced', time: timeOf(17) });
    const inAnotherBoot = report(planInput(many, { kernel: heldBy(...many), ledger }), { bootID: 'boot-2' });
    expect(inAnotherBoot).to.not.have.property('drift');
  });

  it('says once per policy what the compiler warned of, while it is loaded, 16 at most', () => {
    const two = wanted('pair', { profiles: ['a', 'b'], names: ['a', 'b'] });
    const many = [two, ...Array.from({ length: 18 }, (_, at) => wanted(`p${String(at).padStart(2, '0')}`))];
    const ledger = ledgerOf(...many);
    const warning = { message: 'userns rules not enforced', line: 3 };
    const loads = new Map([...ledger.loads].map(([id, load]) => [id, { ...load, warning }]));
    const input = planInput(many, { kernel: heldBy(...many), ledger: { ...ledger, loads } });
    const { warnings = [] } = report(input);
    expect(warnings.slice(0, 2)).to.deep.equal([
      { profile: 'a', object: 'pair', revision: 'pair-r1', ...warning },
      { profile: 'p00', object: 'p00', revision: 'p00-r1', ...warning },
    ]);
    expect(warnings).to.have.length(16);
    expect(report({ ...input, kernel: [] })).to.not.have.property('warnings');
  });

  it('reports revisions that cannot be used', () => {
    const head = headOf(content('web'));
    const [problem] = report(planInput([]), { invalid: [{ head, message: 'no hash' }] }).problems ?? [];
    expect(problem).to.deep.include({ object: 'web', profile: 'web', revision: head.hash, reason: 'RevisionInvalid' });
  });

  it('sorts problems by object, profile and reason', () => {
    const b = wanted('b');
    const failures = new Map(
      [b, web].map(({ fingerprint }) => [fingerprint, { reason: 'NoProfile' as const, message: '' }]),
    );
    const kernel = heldBy(wanted('a', { profiles: ['y', 'x'], names: ['y', 'x'] }));
    const ledger = ledgerOf(wanted('a', { profiles: ['y', 'x'], names: ['y', 'x'] }));
    const head = headOf(content('b'));
    const status = report(planInput([web, b], { failures, kernel, ledger }), { invalid: [{ head, message: '' }] });
    expect(status.problems?.map(({ object, profile, reason }) => `${object} ${profile} ${reason}`)).to.deep.equal([
      'a x NoLongerWanted',
      'a y NoLongerWanted',
      'b b NoProfile',
      'b b RevisionInvalid',
      'web web NoProfile',
    ]);
  });

  it('tells since when a profile is back', () => {
    const since = new Map([['web', { what: 'Unloaded' as const, time: '2030-01-02T00:00:00Z' }]]);
    const ledger = completed(intended(ledgerOf(web), web), web, { corrections: since });
    expect(report(planInput([web], { kernel: heldBy(web), ledger }))).to.deep.include({
      loadedSince: { web: '2030-01-02T00:00:00Z' },
    });
  });

  it('names the object where a policy has no profile', () => {
    const nothing = wanted('none', { profiles: [], names: [] });
    const plan: Plan = {
      ...planOf({ policy: nothing, step: { kind: 'failed', failure: { reason: 'NoProfile', message: 'x' } } }),
    };
    expect(report(planInput([]), { plan }).problems?.[0]).to.include({ profile: 'none', object: 'none' });
  });

  for (const [message, clipped] of [
    ['short', 'short'],
    ['two\n lines\t', 'two lines'],
    ['x'.repeat(256), 'x'.repeat(256)],
    ['x'.repeat(257), `${'x'.repeat(253)}…`],
    ['€'.repeat(100), `${'€'.repeat(84)}…`],
    [`${'x'.repeat(250)}😀😀`, `${'x'.repeat(250)}…`],
  ] as const) {
    it(`clips ${message.length} characters at a character`, () => {
      expect(clip(message)).to.equal(clipped);
      expect(Buffer.byteLength(clip(message))).to.be.at.most(256);
    });
  }
});

function reportInput(input: PlanInput): ReportInput {
  return {
    bootID: BOOT,
    kernelRelease: '6.12.0',
    parser: '4.1.0',
    state: { enforcing: true },
    plan: planNode(input),
    kernel: input.kernel,
    ledger: input.ledger,
    invalid: [],
  };
}

function conflict(owner: ConflictOwner): unknown {
  const plan = planOf({ step: { kind: 'conflict', profile: 'shared', owner } });
  return report(planInput([]), { plan }).problems?.[0];
}

function counted(processes: number, unreadable = 0): ProfileUse {
  return { kind: 'counted', processes, unreadable };
}

function isWhole(message: string): string {
  return `nobody wants it on this node any more${message}`;
}

function timeOf(second: number): string {
  return new Date(Date.UTC(2030, 0, 1) + second * 1_000).toISOString();
}
