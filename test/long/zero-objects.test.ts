import { expect } from 'chai';
import { join } from 'node:path';
import { APPARMOR_PROFILE } from '../../src/api/resources.ts';
import { waitFor } from '../testbed/process.ts';
import { cluster, twoNodes } from '../node/fixture.ts';
import { kernelEntry } from '../node/kernel-entry.ts';
import {
  applyProfiles,
  confinementOf,
  DEADLINE_MS,
  getNodeReport,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  profilesReady,
  runPod,
} from '../node/operator.ts';
import { policy } from '../node/policy.ts';
import { eventNote, removedWithin, saysOf } from '../node/report-rows.ts';

const DEFINITION = `${APPARMOR_PROFILE.plural}.${APPARMOR_PROFILE.group}`;
const PROFILES = ['zero-used', 'zero-unused'];

// It takes every AppArmorProfile away, those of the other files too: the file's name sorts it last.
describe('no AppArmorProfile left', () => {
  let entriesBefore: readonly string[];

  before(async () => {
    await applyProfiles(specs([...PROFILES, 'zero-gone']));
    await profilesReady([...PROFILES, 'zero-gone']);
    await runPod({ name: 'zero-used', node: twoNodes()[0], profile: 'zero-used' });
    entriesBefore = await entries();
  });

  it('all deleted at once: each node keeps all of it, grants nothing, and says why', async () => {
    const held = await loaded();
    // One after the other, as kubectl does it.
    await kubectl(['delete', 'apparmorprofiles', '--all', '--timeout=60s']);
    await retainedEverywhere();
    const note = await eventNote('UnloadHeld', ...cluster().nodes.map(({ name }) => name));
    expect(note).to.contain('vanished together');
    await unchanged(held);
  });

  it('back again: taken up without a change of the kernel, and what did not come back goes', async () => {
    await applyProfiles(specs(PROFILES));
    await profilesReady(PROFILES);
    for (const node of cluster().nodes) {
      for (const profile of PROFILES) await saysOf(node, profile, (said) => said.isLoaded && said.row === undefined);
      await removedWithin(DEADLINE_MS, node, ['zero-gone']);
    }
    expect(await entries()).to.deep.equal(entriesBefore);
    expect(await confinementOf('zero-used')).to.equal('zero-used (enforce)');
  });

  it('their kind deleted: each node keeps all of it and grants nothing; restored: taken up again likewise', async () => {
    const held = await loaded();
    await kubectl(['delete', 'crd', DEFINITION, '--timeout=60s']);
    await retainedEverywhere();
    await unchanged(held);

    await kubectl(['apply', '-k', join(import.meta.dirname, '../../crds')]);
    await kubectl(['wait', '--for=condition=Established', `crd/${DEFINITION}`, '--timeout=60s']);
    await waitFor('the kind is served', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
      await applyProfiles(specs(PROFILES));
      return true;
    });
    await profilesReady(PROFILES);
    for (const node of cluster().nodes) {
      for (const profile of PROFILES) await saysOf(node, profile, (said) => said.isLoaded && said.row === undefined);
    }
    expect(await entries()).to.deep.equal(entriesBefore);
    expect(await confinementOf('zero-used')).to.equal('zero-used (enforce)');
  });

  async function unchanged(held: readonly (readonly string[])[]): Promise<void> {
    for (const [index, node] of cluster().nodes.entries()) {
      await nodeReportWhen(node, 'grants nothing', ({ spec }) => (spec?.unload ?? []).length === 0);
      expect([...(await kernelProfiles(node)).keys()]).to.include.members([...(held[index] ?? [])]);
    }
    expect(await entries()).to.deep.equal(entriesBefore);
    expect(await confinementOf('zero-used')).to.equal('zero-used (enforce)');
  }
});

function specs(names: readonly string[]): Record<string, { policy: string }> {
  return Object.fromEntries(names.map((name) => [name, { policy: policy(name) }]));
}

async function retainedEverywhere(): Promise<void> {
  for (const node of cluster().nodes) {
    for (const profile of PROFILES) {
      await saysOf(node, profile, (said) => !said.isLoaded && said.row?.state === 'Retained');
    }
  }
}

/** By node: what objects that exist have loaded there. */
async function loaded(): Promise<string[][]> {
  const reports = await Promise.all(cluster().nodes.map((node) => getNodeReport(node)));
  return reports.map(({ status }) => Object.keys(status?.loaded ?? {}));
}

async function entries(): Promise<string[]> {
  return Promise.all(cluster().nodes.flatMap((node) => PROFILES.map((profile) => kernelEntry(node, profile))));
}
