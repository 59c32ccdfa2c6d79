import { expect } from 'chai';
import { correctionsOf, driftOf } from '../../../src/agent/drift.ts';
import type { Drift } from '../../../src/agent/drift.ts';
import { viewKernel } from '../../../src/agent/kernel-view.ts';
import { EMPTY_LEDGER, withUnloading } from '../../../src/agent/ledger.ts';
import type { Ledger } from '../../../src/agent/ledger.ts';
import type { KernelProfile } from '../../../src/kernel/apparmor.ts';
import { BOOT, heldBy, intended, ledgerOf, loadOf, recorded, wanted } from './objects.ts';

const web = wanted('web', { names: ['web', 'web//hat'] });
const web2 = wanted('web', { revision: 'web-r2', names: ['web', 'web//hat'] });
const web3 = wanted('web', { revision: 'web-r3', names: ['web', 'web//hat'] });
const foreign = [{ name: 'web', mode: 'enforce', rawSha256: 'ff' }];

function drift(kernel: readonly KernelProfile[], ledger: Ledger, load = loadOf(web)): readonly Drift[] {
  return driftOf(load, { ledger, view: viewKernel(kernel, ledger, BOOT), bootID: BOOT });
}

describe('agent/drift', () => {
  const unloaded: Drift[] = [
    { profile: 'web', kind: 'unloaded' },
    { profile: 'web//hat', kind: 'unloaded' },
  ];
  const cases: { it: string; drift: readonly Drift[]; is: readonly Drift[] }[] = [
    { it: 'is nothing at a first load', drift: drift([], EMPTY_LEDGER), is: [] },
    { it: 'is nothing after a reboot', drift: drift([], recorded(EMPTY_LEDGER, web, 'boot-0')), is: [] },
    { it: 'is nothing at a replacement of our own', drift: drift(heldBy(web), ledgerOf(web), loadOf(web2)), is: [] },
    { it: 'is what was unloaded', drift: drift([], ledgerOf(web)), is: unloaded },
    {
      it: 'is what was unloaded while a new revision came',
      drift: drift([], ledgerOf(web), loadOf(web2)),
      is: unloaded,
    },
    {
      it: 'is a child that was unloaded',
      drift: drift(heldBy(web).slice(0, 1), ledgerOf(web)),
      is: unloaded.slice(1),
    },
    {
      it: 'is what was replaced, also while a new revision came',
      drift: drift([...foreign, ...heldBy(web).slice(1)], ledgerOf(web), loadOf(web2)),
      is: [{ profile: 'web', kind: 'replaced' }],
    },
    {
      it: 'is not what the agent itself had loaded when it died',
      drift: drift(heldBy(web2), intended(ledgerOf(web), web2), loadOf(web3)),
      is: [],
    },
    {
      it: 'is not what the agent itself was about to remove when it died',
      drift: drift([], withUnloading(ledgerOf(web), 'web', BOOT)),
      is: [],
    },
    {
      it: 'is what is taken over',
      drift: drift(foreign, EMPTY_LEDGER),
      is: [{ profile: 'web', kind: 'foreign' }],
    },
    { it: 'is not what is adopted', drift: drift(heldBy(web).slice(0, 1), EMPTY_LEDGER), is: [] },
  ];
  for (const { it: title, drift: found, is } of cases) {
    it(title, () => expect(found).to.deep.equal(is));
  }

  it('becomes one correction per top-level profile, of the worst', () => {
    const found: Drift[] = [
      { profile: 'web', kind: 'mode', mode: 'complain' },
      { profile: 'web//hat', kind: 'unloaded' },
      { profile: 'two', kind: 'mode', mode: 'complain' },
      { profile: 'two//hat', kind: 'replaced' },
      { profile: 'three', kind: 'foreign' },
    ];
    expect([...correctionsOf(found, 'T')]).to.deep.equal([
      ['web', { what: 'Unloaded', time: 'T' }],
      ['two', { what: 'Replaced', time: 'T' }],
      ['three', { what: 'TakenOver', time: 'T' }],
    ]);
  });
});
