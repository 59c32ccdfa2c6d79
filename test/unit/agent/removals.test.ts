import { expect } from 'chai';
import type { Failure } from '../../../src/agent/failure.ts';
import { planNode } from '../../../src/agent/plan.ts';
import type { Plan, PlanInput } from '../../../src/agent/plan.ts';
import type { ProfileUse, UnloadGrant, UnloadKnowledge } from '../../../src/agent/removals.ts';
import { BOOT, heldBy, intended, ledgerOf, NOTHING_GRANTED, planInput, recorded, wanted } from './objects.ts';

const web = wanted('web', { names: ['web', 'web//hat'] });
const both = wanted('both', { profiles: ['one', 'two'], names: ['one', 'two'] });
const living = new Map([['uid-web', { uid: 'uid-web', name: 'web', profiles: new Set(['web']) }]]);

const DATE = NOTHING_GRANTED.date;
const FREE: ProfileUse = { kind: 'counted', processes: 0, unreadable: 0 };
const NOW = 100_000;

const failure: Failure = { reason: 'KernelRefused', message: 'no right', retryAt: NOW + 1 };

function grant(profile: string, change: Partial<UnloadGrant> = {}): UnloadGrant {
  return { profile, revision: 'web-r1', expires: new Date(DATE + 1_000).toISOString(), ...change };
}

/** Everything that a removal of `web` takes. */
function unload(change: Partial<UnloadKnowledge> = {}): UnloadKnowledge {
  return { ...NOTHING_GRANTED, grants: [grant('web')], uses: new Map([['web', FREE]]), ...change };
}

function input(change: Partial<PlanInput> = {}): PlanInput {
  return planInput([], { kernel: heldBy(web), ledger: ledgerOf(web), unload: unload(), now: NOW, ...change });
}

/** What is removed, and for what the others wait. */
function outcome({ removals, waiting }: Plan): string[] {
  return [
    ...removals.map(({ profile }) => `remove ${profile}`),
    ...waiting.map(({ row, why }) => `${why.kind} ${row.profile}`),
  ];
}

describe('agent/plan: removals', () => {
  const again = wanted('web', {
    object: { ...web.object, uid: 'uid-again' },
    revision: 'web-again',
    fingerprint: 'fp-again',
  });
  const renamed = wanted('web', { revision: 'web-r2', profiles: ['web2'], names: ['web2'] });
  const cases: { it: string; input: PlanInput; is: string[] }[] = [
    { it: 'removes what is granted and unused, with its children', input: input(), is: ['remove web'] },
    {
      it: 'removes nothing without a grant',
      input: input({ unload: unload({ grants: [] }) }),
      is: ['notGranted web'],
    },
    {
      it: 'takes no grant for another profile',
      input: input({ unload: unload({ grants: [grant('web//hat'), grant('other')] }) }),
      is: ['notGranted web'],
    },
    {
      it: 'takes no grant for another revision',
      input: input({ unload: unload({ grants: [grant('web', { revision: 'web-r0' })] }) }),
      is: ['notGranted web'],
    },
    {
      it: 'takes no grant that has ended',
      input: input({ unload: unload({ grants: [grant('web', { expires: new Date(DATE).toISOString() })] }) }),
      is: ['notGranted web'],
    },
    {
      it: 'takes no grant whose end it cannot read',
      input: input({ unload: unload({ grants: [grant('web', { expires: 'tomorrow' })] }) }),
      is: ['notGranted web'],
    },
    {
      it: 'removes nothing while the API server has not said all, or nothing can be remembered',
      input: input({ unload: unload({ allowed: false }) }),
      is: ['notAllowed web'],
    },
    {
      it: 'does not remove what runs',
      input: input({ unload: unload({ uses: new Map([['web', { ...FREE, processes: 2 }]]) }) }),
      is: ['inUse web'],
    },
    {
      it: 'does not remove what a process that cannot be read may run under',
      input: input({ unload: unload({ uses: new Map([['web', { ...FREE, unreadable: 1 }]]) }) }),
      is: ['inUse web'],
    },
    {
      it: 'does not remove while processes cannot be seen',
      input: input({ unload: unload({ uses: new Map([['web', { kind: 'unseen', message: 'x' }]]) }) }),
      is: ['inUse web'],
    },
    {
      it: 'looks first',
      input: input({ unload: unload({ uses: new Map() }) }),
      is: ['notLooked web'],
    },
    {
      it: 'waits before it tries again what failed',
      input: input({ unload: unload({ failures: new Map([['web', failure]]) }) }),
      is: ['failed web'],
    },
    {
      it: 'tries again then',
      input: input({ unload: unload({ failures: new Map([['web', { ...failure, retryAt: NOW }]]) }) }),
      is: ['remove web'],
    },
    {
      it: 'waits a minute while the object lives: nobody knows yet since when it does not mean this node',
      input: input({ living }),
      is: ['young web'],
    },
    {
      it: 'waits a minute while the object lives',
      input: input({ living, unload: unload({ since: new Map([['web', NOW - 59_999]]) }) }),
      is: ['young web'],
    },
    {
      it: 'goes on after a minute',
      input: input({ living, unload: unload({ since: new Map([['web', NOW - 60_000]]) }) }),
      is: ['remove web'],
    },
    {
      it: 'removes the old name after a rename',
      input: planInput([renamed], {
        kernel: heldBy(web, renamed),
        ledger: recorded(ledgerOf(web), renamed),
        unload: unload({ since: new Map([['web', 0]]) }),
        now: NOW,
      }),
      is: ['remove web'],
    },
    {
      it: 'does not remove the old name while the new text does not compile',
      input: planInput([renamed], {
        kernel: heldBy(web),
        ledger: ledgerOf(web),
        failures: new Map([[renamed.fingerprint, { reason: 'CompileFailed', message: 'x' }]]),
        unload: unload({ since: new Map([['web', 0]]) }),
        now: NOW,
      }),
      is: [],
    },
    {
      it: 'does not remove what a re-created object is about to load',
      input: planInput([again], {
        kernel: heldBy(web),
        ledger: ledgerOf(web),
        compiled: new Map(),
        unload: unload(),
        now: NOW,
      }),
      is: ['claimed web'],
    },
    {
      it: 'does not remove an object whose text is not here yet',
      input: input({ living: new Map([['uid-web', { uid: 'uid-web', name: 'web' }]]) }),
      is: [],
    },
    {
      it: 'does not remove what was adopted',
      input: input({ ledger: recorded(ledgerOf(), web, BOOT, 'adopted') }),
      is: [],
    },
    {
      it: 'does not remove what was taken over',
      input: input({ ledger: recorded(ledgerOf(), web, BOOT, 'takenOver') }),
      is: [],
    },
    {
      it: 'does not remove what was loaded in another boot',
      input: input({ ledger: recorded(ledgerOf(), web, 'boot-0') }),
      is: [],
    },
    {
      it: 'does not remove what something else replaced',
      input: input({ kernel: [{ name: 'web', mode: 'enforce', rawSha256: 'ff' }] }),
      is: [],
    },
    {
      it: 'removes what was loaded when the agent died before it could complete the ledger',
      input: input({ ledger: intended(ledgerOf(), web) }),
      is: ['remove web'],
    },
    {
      it: 'keeps all of one load while anything runs under one of them',
      input: planInput([], {
        kernel: heldBy(both),
        ledger: ledgerOf(both),
        unload: unload({
          grants: ['one', 'two'].map((name) => grant(name, { revision: 'both-r1' })),
          uses: new Map([
            ['one', FREE],
            ['two', { ...FREE, processes: 1 }],
          ]),
        }),
        now: NOW,
      }),
      is: ['inUse one', 'inUse two'],
    },
    {
      it: 'removes all of one load each by its own grant',
      input: planInput([], {
        kernel: heldBy(both),
        ledger: ledgerOf(both),
        unload: unload({
          grants: [grant('two', { revision: 'both-r1' })],
          uses: new Map([
            ['one', FREE],
            ['two', FREE],
          ]),
        }),
        now: NOW,
      }),
      is: ['remove two', 'notGranted one'],
    },
  ];
  for (const { it: title, input: of, is } of cases) {
    it(title, () => expect(outcome(planNode(of))).to.deep.equal(is));
  }

  it('looks at all of one load directly before', () => {
    const grants = ['one', 'two'].map((name) => grant(name, { revision: 'both-r1' }));
    const uses = new Map(['one', 'two'].map((name) => [name, FREE]));
    const plan = planNode(
      planInput([], { kernel: heldBy(both), ledger: ledgerOf(both), unload: unload({ grants, uses }) }),
    );
    expect(plan.removals).to.deep.equal([
      { profile: 'one', revision: 'both-r1', together: ['one', 'two'] },
      { profile: 'two', revision: 'both-r1', together: ['one', 'two'] },
    ]);
  });

  it('never names what is wanted, whatever is granted', () => {
    const plan = planNode(
      planInput([web], {
        kernel: heldBy(web),
        ledger: ledgerOf(web),
        unload: unload({ since: new Map([['web', 0]]) }),
      }),
    );
    expect([plan.removals, plan.waiting, plan.retained]).to.deep.equal([[], [], []]);
  });
});
