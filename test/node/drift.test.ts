import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { agentPod, healthOf } from './agents.ts';
import { twoNodes } from './fixture.ts';
import { applyProfiles, inNode, kernelHash, kernelProfiles, profilesReady } from './operator.ts';
import { policy } from './policy.ts';
import { eventNote } from './report-rows.ts';

const CHANGES = [
  { name: 'drift-unloaded', what: 'Unloaded', note: 'had been removed from the kernel', change: unloaded },
  { name: 'drift-replaced', what: 'Replaced', note: 'had been replaced by another policy', change: replaced },
  { name: 'drift-complain', what: 'Replaced', note: 'had been replaced by another policy', change: complaining },
];
const RIGHT_WITHIN_MS = 15_000;

describe('what somebody changes in a kernel by hand', () => {
  let hashes: readonly string[];

  before(async () => {
    const [node] = twoNodes();
    await applyProfiles(Object.fromEntries(CHANGES.map(({ name }) => [name, { policy: policy(name) }])));
    await profilesReady(CHANGES.map(({ name }) => name));
    hashes = await Promise.all(CHANGES.map(({ name }) => kernelHash(node, name)));
  });

  for (const { name, note, change } of CHANGES) {
    it(`${name}: is right again within 15 s, and an Event says so`, async () => {
      const [node] = twoNodes();
      const hash = hashes[CHANGES.findIndex((one) => one.name === name)];
      await inNode(node, change(name));
      // Each look takes the emulated processor from the agent for a while.
      await waitFor('it is right again', { deadlineMs: RIGHT_WITHIN_MS, intervalMs: 1000 }, async () => {
        return (await state()) === `enforce ${hash}`;
      });
      expect(await eventNote('DriftCorrected', name)).to.contain(`${node.name}: profile ${name} ${note}`);

      async function state(): Promise<string> {
        const mode = (await kernelProfiles(node)).get(name);
        return mode === undefined ? 'not loaded' : `${mode} ${await kernelHash(node, name)}`;
      }
    });
  }

  it('the agent’s metric counts what it put right', async () => {
    const [node] = twoNodes();
    const metrics = await healthOf(node, await agentPod(node), '/metrics');
    for (const { what } of CHANGES) {
      expect(metrics).to.match(new RegExp(`^apparmor_agent_drift_corrected_total\\{what="${what}"\\} [1-9]`, 'm'));
    }
  });
});

function unloaded(name: string): string {
  return `printf ${name} >/sys/kernel/security/apparmor/.remove`;
}

function replaced(name: string): string {
  return `printf 'profile ${name} { file, }' | apparmor_parser --skip-cache --replace`;
}

/** As aa-complain does. */
function complaining(name: string): string {
  return `printf '%s' '${policy(name)}' | apparmor_parser --skip-cache --replace --Complain`;
}
