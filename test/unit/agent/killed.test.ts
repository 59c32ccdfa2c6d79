import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeLedger } from '../../../src/agent/ledger.ts';
import type { UnloadGrant } from '../../../src/agent/removals.ts';
import type { RevisionContent } from '../../../src/api/revision.ts';
import type { AppArmorKernel } from '../../../src/kernel/apparmor.ts';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { interceptFiles } from './intercepted-files.ts';
import { nodePieces, versionOf } from './node-pieces.ts';
import type { NodeOutcome } from './node-pieces.ts';
import { headOf } from './objects.ts';

interface Scenario {
  it: string;
  before: readonly RevisionContent[];
  after: readonly RevisionContent[];
  grants?: readonly UnloadGrant[];
  /** Profiles that may be gone at the end; every other one of `before` must be held at every moment. */
  mayGo: readonly string[];
  environment?: string;
}

const web = versionOf('web', 1);
const pair = versionOf('pair', 1, ['one', 'two']);
const grantWeb = { profile: 'web', revision: headOf(web).hash, expires: '2030-01-01T00:05:00Z' };

const SCENARIOS: readonly Scenario[] = [
  { it: 'the first load', before: [], after: [web, pair], mayGo: [] },
  {
    it: 'a new revision beside another object',
    before: [web, pair],
    after: [versionOf('web', 2), pair, versionOf('more', 1)],
    mayGo: [],
  },
  {
    it: 'a rename within the text',
    before: [versionOf('pair', 1, ['one', 'two'])],
    after: [versionOf('pair', 2, ['one', 'three'])],
    mayGo: [],
  },
  { it: 'a recompile for another kernel', before: [web, pair], after: [web, pair], mayGo: [], environment: 'env-2' },
  { it: 'a removal', before: [web, pair], after: [pair], grants: [grantWeb], mayGo: ['web'] },
];

describe('agent killed at any step', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'killed-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  for (const scenario of SCENARIOS) {
    it(`of ${scenario.it}: afterwards kernel, ledger and report agree, and nothing was weakened`, async () => {
      let steps = 0;
      for (let at = 1; ; at++) {
        const folder = join(root, `at-${at}`);
        if (!(await killAt(at, folder, scenario))) break;
        steps = at;
      }
      expect(steps).to.be.at.least(40);
    }).timeout(60_000);
  }
});

/** Returns false if the agent was done before that step. */
async function killAt(at: number, folder: string, scenario: Scenario): Promise<boolean> {
  const kernel = createInMemoryKernel();
  const unhurried = interceptFiles(folder, () => Promise.resolve());
  await nodePieces({ folder, kernel, bootID: 'boot-1' }).follow(scenario.before);
  await unhurried.release();
  const mustStay = scenario.before.flatMap(({ profiles }) => profiles).filter((name) => !scenario.mayGo.includes(name));
  const environment = scenario.environment === undefined ? {} : { environment: scenario.environment };

  const steps: string[] = [];
  const killed = Promise.withResolvers<'killed'>();
  const step = async (name: string): Promise<void> => {
    steps.push(name);
    // All that goes on side by side ends there.
    if (steps.length < at) return;
    killed.resolve('killed');
    await new Promise(() => undefined);
  };
  const files = interceptFiles(folder, ({ operation, path }) => step(`${operation} ${path}`));
  const life = nodePieces({ folder, kernel: watched(kernel, step, mustStay), bootID: 'boot-1', ...environment });
  const end = await Promise.race([life.follow(scenario.after, scenario.grants), killed.promise]);
  await files.kill();
  const where = `step ${at}, ${steps.at(-1)}`;
  for (const name of mustStay) expect(kernel.held.has(name), `${name} is held after ${where}`).to.equal(true);

  const after = interceptFiles(folder, () => Promise.resolve());
  const copy = `${folder}-rebooted`;
  if (existsSync(folder)) await cp(folder, copy, { recursive: true });
  const next = await nodePieces({ folder, kernel, bootID: 'boot-1', ...environment }).follow(
    scenario.after,
    scenario.grants,
  );
  await agrees(next, folder, kernel, scenario, where);

  const rebooted = createInMemoryKernel();
  const alone = nodePieces({ folder: copy, kernel: rebooted, bootID: 'boot-2', ...environment });
  const remembered = await alone.remember();
  for (const { object, profiles } of scenario.before) {
    const isStillWanted = scenario.after.some((one) => one.object.uid === object.uid);
    const [name = ''] = profiles;
    if (isStillWanted) expect(rebooted.held.has(name), `${name} after a reboot after ${where}`).to.equal(true);
  }
  const failed = remembered.status.problems?.filter(({ state }) => state !== 'Retained');
  expect(failed, `problems after a reboot after ${where}`).to.deep.equal([]);
  await after.release();
  return end === 'killed';
}

/** The kernel, with a step before and after each change of it, and an eye on what has to stay. */
function watched(
  kernel: InMemoryKernel,
  step: (name: string) => Promise<void>,
  mustStay: readonly string[],
): AppArmorKernel {
  const check = (): void => {
    for (const name of mustStay) if (!kernel.held.has(name)) throw new Error(`${name} was lost`);
  };
  return {
    ...kernel,
    async load(binary) {
      await step('before load');
      await kernel.load(binary);
      check();
      await step('after load');
    },
    async remove(name) {
      await step('before remove');
      await kernel.remove(name);
      check();
      await step('after remove');
    },
  };
}

async function agrees(
  { ledger, status, result }: NodeOutcome,
  folder: string,
  kernel: InMemoryKernel,
  { after, before, mayGo }: Scenario,
  where: string,
): Promise<void> {
  const onDisk = decodeLedger(await readFile(join(folder, 'ledger.json'), 'utf8'), 'node-a');
  expect(onDisk, `ledger after ${where}`).to.deep.equal(ledger);
  const expected = Object.fromEntries(after.flatMap((one) => one.profiles.map((name) => [name, headOf(one).hash])));
  expect(status.loaded, `report after ${where}`).to.deep.equal(expected);
  const unwanted = before
    .flatMap(({ profiles }) => profiles)
    .filter((name) => !Object.hasOwn(expected, name) && !mayGo.includes(name));
  expect([...kernel.held.keys()], `kernel after ${where}`).to.have.members([...Object.keys(expected), ...unwanted]);
  for (const { policy, step } of result.plan.policies) {
    expect(step.kind, `${policy.object.name} after ${where}`).to.equal('keep');
    if (step.kind !== 'keep') continue;
    for (const { name } of step.load.profiles) expect(kernel.held.get(name)?.rawSha256).to.equal(step.load.sha256);
  }
  for (const { origin, unloading } of ledger.rows.values()) {
    expect([origin, unloading], `rows after ${where}`).to.deep.equal(['created', undefined]);
  }
  const problems = (status.problems ?? []).map(({ profile, state }) => `${state} ${profile}`);
  expect(problems, `problems after ${where}`).to.deep.equal(unwanted.map((name) => `Retained ${name}`));
  const { drift, loadedSince, message } = status;
  expect([drift, loadedSince, message], `after ${where}`).to.deep.equal([undefined, undefined, undefined]);
}
