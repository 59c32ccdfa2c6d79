import { expect } from 'chai';
import {
  concernsUnload,
  isRemovable,
  planUnload,
  sameGrants,
  type UnloadInput,
} from '../../../../src/controller/unload/plan-unload.ts';
import { HASH, nodeView, rowView } from '../objects.ts';
import { grant, NOW, unwanted } from './rows.ts';

/** A node on which everything permits the removal of `web`. */
function input(change: Partial<UnloadInput> = {}): UnloadInput {
  return {
    node: nodeView(),
    row: rowView({ problems: [unwanted()] }),
    agent: { kind: 'ready' },
    cluster: { kind: 'sound' },
    settling: false,
    podsNaming: () => [],
    wantedBy: () => undefined,
    stored: [],
    now: NOW,
    ...change,
  };
}

describe('planUnload', () => {
  it('grants what nobody wants for five minutes, and looks again at half time', () => {
    expect(planUnload(input())).to.deep.equal({
      grants: [grant(300)],
      write: true,
      withheld: [],
      renewInMs: 150_000,
    });
  });

  it('also where processes still use it: the agent looks each time', () => {
    expect(planUnload(input({ row: rowView({ problems: [unwanted({ reason: 'InUse' })] }) })).grants).to.have.length(1);
  });

  for (const [title, change, why] of [
    ['the cluster is not sound', { cluster: { kind: 'unsound', why: 'the kind is gone' } }, 'the kind is gone'],
    ['the Node is gone', { node: undefined }, 'the node is gone'],
    ['the row is being deleted', { row: rowView({ problems: [unwanted()], deleting: true }) }, 'the node is gone'],
    ['the node is not Ready', { node: nodeView({ ready: false }) }, 'the node is not Ready'],
    ['it has rebooted since', { node: nodeView({ bootID: 'next' }) }, 'the row is of an earlier boot'],
    [
      'nobody knows the boot',
      { node: nodeView({ bootID: '' }), row: rowView({ problems: [unwanted()], bootID: '' }) },
      'the row is of an earlier boot',
    ],
    [
      'AppArmor is off',
      { row: rowView({ problems: [unwanted()], enforcing: false }) },
      'the node does not enforce AppArmor',
    ],
    [
      'nothing was reported',
      { row: rowView({ problems: [unwanted()], enforcing: undefined }) },
      'the node does not enforce AppArmor',
    ],
    ['the agent has just gone', { agent: { kind: 'grace', endsInMs: 1 } }, 'the agent is not Ready'],
    ['the agent is gone', { agent: { kind: 'gone' } }, 'the agent is not Ready'],
    ['it cannot start', { agent: { kind: 'securityfsMissing', message: 'm' } }, 'the agent is not Ready'],
    ['a pod names it', { podsNaming: () => ['shop/web'] }, 'pod shop/web names it'],
    ['pods name it', { podsNaming: () => ['shop/web', 'x/y', 'x/z'] }, 'pod shop/web names it, and 2 more'],
    ['an object wants it', { wantedBy: () => 'AppArmorProfile web defines it' }, 'AppArmorProfile web defines it'],
    [
      'the revision is not known',
      { row: rowView({ problems: [unwanted({ revision: '' })] }) },
      'its revision is not known',
    ],
  ] as [string, Partial<UnloadInput>, string][]) {
    it(`not if ${title}; a grant is withdrawn`, () => {
      const refused = { grants: [], withheld: [{ profile: 'web', why }] };
      expect(planUnload(input(change))).to.deep.equal({ ...refused, write: false });
      expect(planUnload(input({ ...change, stored: [grant(200)] }))).to.deep.equal({ ...refused, write: true });
    });
  }

  for (const [title, change] of [
    ['adopted or taken over', { reason: 'NotOurs' }],
    ['a child that an earlier text had', { reason: 'StaleChild' }],
    ['kept for a reason that this version does not know', { reason: 'Sealed' }],
    ['not unwanted but failed', { state: 'Failed' }],
    ['not unwanted but in conflict', { state: 'Conflict' }],
  ] as const) {
    it(`never what is ${title}`, () => {
      const row = rowView({ problems: [unwanted(change)] });
      expect(planUnload(input({ row, stored: [grant(200)] }))).to.deep.equal({ grants: [], write: true, withheld: [] });
    });
  }

  it('each profile by itself, sorted', () => {
    const problems = ['web', 'db', 'cache'].map((profile) => unwanted({ profile, object: profile }));
    const plan = planUnload(
      input({
        row: rowView({ problems: [...problems, unwanted({ revision: 'b' })] }),
        podsNaming: (profile) => (profile === 'db' ? ['shop/db'] : []),
      }),
    );
    expect(plan.grants.map(({ profile, revision }) => [profile, revision])).to.deep.equal([
      ['cache', HASH],
      ['web', HASH],
      ['web', 'b'],
    ]);
    expect(plan.withheld).to.deep.equal([{ profile: 'db', why: 'pod shop/db names it' }]);
  });

  for (const [title, stored, write, expires, renewInMs] of [
    ['just given', [grant(300)], false, 300, 150_000],
    ['a second before half time', [grant(151)], false, 151, 1000],
    ['at half time it is renewed', [grant(150)], true, 300, 150_000],
    ['when it has run out', [grant(-5)], true, 300, 150_000],
    ['one that runs too long is shortened', [grant(3600)], true, 300, 150_000],
    ['for another revision', [grant(200, 'web', 'old')], true, 300, 150_000],
    ['for another profile, too', [grant(200), grant(200, 'db')], true, 200, 50_000],
  ] as const) {
    it(`grant stored: ${title}`, () => {
      const plan = planUnload(input({ stored }));
      expect(plan).to.deep.equal({ grants: [grant(expires)], write, withheld: [], renewInMs });
    });
  }

  it('renews one without touching the other', () => {
    const row = rowView({ problems: [unwanted(), unwanted({ profile: 'db' })] });
    const plan = planUnload(input({ row, stored: [grant(100), grant(200, 'db')] }));
    expect(plan.grants).to.deep.equal([grant(200, 'db'), grant(300)]);
    expect(plan.renewInMs).to.equal(50_000);
  });

  it('nothing new while objects come or go; what was granted stays, and is renewed', () => {
    const row = rowView({ problems: ['web', 'db', 'ended'].map((profile) => unwanted({ profile })) });
    const plan = planUnload(
      input({
        row,
        settling: true,
        stored: [grant(100), grant(-1, 'ended')],
        podsNaming: (profile) => (profile === 'db' ? ['shop/db'] : []),
      }),
    );
    expect(plan.grants).to.deep.equal([grant(300)]);
    expect(plan.withheld).to.deep.equal([
      { profile: 'db', why: 'pod shop/db names it' },
      { profile: 'ended', why: 'AppArmorProfiles came or went seconds ago, and others may follow' },
    ]);
  });

  it('ends the grant of what was removed', () => {
    expect(planUnload(input({ row: rowView(), stored: [grant(200)] }))).to.deep.equal({
      grants: [],
      write: true,
      withheld: [],
    });
  });
});

describe('concernsUnload', () => {
  for (const [title, row, expected] of [
    ['nothing', rowView(), false],
    ['a failure', rowView({ problems: [unwanted({ state: 'Failed' })] }), false],
    ['what nobody wants', rowView({ problems: [unwanted()] }), true],
    ['a grant', rowView({ unload: [grant(1)] }), true],
  ] as const) {
    it(title, () => expect(concernsUnload(row)).to.equal(expected));
  }
});

describe('isRemovable', () => {
  it('only what is Retained for a reason that permits it', () => {
    expect(isRemovable(unwanted())).to.equal(true);
    expect(isRemovable(unwanted({ reason: 'InUse' }))).to.equal(true);
    expect(isRemovable(unwanted({ reason: 'NotOurs' }))).to.equal(false);
    expect(isRemovable(unwanted({ state: 'Failed' }))).to.equal(false);
  });
});

describe('sameGrants', () => {
  for (const [left, right, same] of [
    [[], [], true],
    [[grant(1), grant(2, 'db')], [grant(2, 'db'), grant(1)], true],
    [[grant(1)], [], false],
    [[grant(1)], [grant(2)], false],
    [[grant(1)], [grant(1, 'db')], false],
    [[grant(1)], [grant(1, 'web', 'x')], false],
  ] as const) {
    it(JSON.stringify([left, right]), () => expect(sameGrants(left, right)).to.equal(same));
  }
});
