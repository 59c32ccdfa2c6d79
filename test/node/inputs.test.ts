import { expect } from 'chai';
import { reviewPolicy } from '../../src/policy/rules.ts';
import { INPUT_OUTCOMES, type InputOutcome } from '../inputs/outcomes.ts';
import { waitFor } from '../testbed/process.ts';
import { readInput } from '../unit/policy/read-input.ts';
import { cluster } from './fixture.ts';
import { handMadeObject, type HandMadeObject } from './hand-made.ts';
import {
  applyProfile,
  applyProfiles,
  conditionOf,
  DEADLINE_MS,
  getNodeReport,
  getProfile,
  inNode,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
  profilesReady,
  profileWhen,
} from './operator.ts';

const EXPLOSIVE = 'inputs-explosive';

/**
 * The text whose compile would never end beside ten good ones, applied and then past the review; and what becomes of every text of
 * test/inputs on agents alone: their revisions are made by hand.
 */
describe('test/inputs on real nodes', function () {
  this.timeout(600_000);
  const inputs = INPUT_OUTCOMES.map(handMadeInput);
  const explosive = inputs.find(({ outcome }) => outcome.compile === 'CompileTimeout');
  const others = inputs.filter((input) => input !== explosive);
  const beside = tenGoodOnes('inputs-beside');
  const made = [...inputs.map(({ object }) => object), ...beside.objects];
  let restartsBefore: string;
  let kernelsBefore: readonly (readonly string[])[];

  before(async () => {
    // What is removed from the kernels at the end is granted only while the cluster has some AppArmorProfile.
    await applyProfile('inputs-kept', { policy: 'profile inputs-kept { file, }' });
    restartsBefore = await restarts();
    kernelsBefore = await kernelNames();
  });

  after(async () => {
    const applied = [EXPLOSIVE, ...tenNames('inputs-applied')];
    await kubectl(['delete', 'apparmorprofiles', '--ignore-not-found', ...applied, '--timeout=60s']);
    await Promise.all(made.map((object) => object.remove()));
    for (const node of cluster().nodes) {
      await nodeReportWhen(node, 'holds none of it any more', ({ status }) =>
        [...Object.keys(status?.loaded ?? {}), ...(status?.problems ?? []).map(({ profile }) => profile)].every(
          (profile) => profile === 'inputs-kept' || !profile.startsWith('inputs-'),
        ),
      );
    }
  });

  it('applied beside ten good ones, which are loaded before it is given up', async () => {
    const [seconds] = await Promise.all([
      secondsUntilReady(tenNames('inputs-applied')),
      applyProfile(EXPLOSIVE, { policy: profileNamed(EXPLOSIVE, readInput('dfa-explosion')) }),
    ]);
    console.log(`      ten on two nodes beside the explosive one, applied: ${seconds.toFixed(0)} s`);
    expect(conditionOf(await getProfile(EXPLOSIVE), 'Stalled')).to.equal(undefined);
  });

  it('published by hand beside ten good ones, which are loaded before it is given up', async () => {
    await explosive?.object.publish(explosive.text);
    const seconds = await secondsUntilLoaded(beside);
    console.log(`      ten on two nodes beside the explosive one, by hand: ${seconds.toFixed(0)} s`);
    for (const node of cluster().nodes) {
      const { status } = await getNodeReport(node);
      expect(status?.problems?.map(({ object }) => object) ?? []).not.to.include(explosive?.name);
    }
  });

  it('each is loaded, refused or fails, as its row in the table of outcomes says', async () => {
    await Promise.all(others.map(({ object, text }) => object.publish(text)));
    const expected = others.map(({ name, outcome }) => `${name}: ${expectedOnNode(outcome)}`);
    for (const node of cluster().nodes) {
      const told = async (): Promise<readonly string[]> => {
        const { status } = await getNodeReport(node);
        return others.map((input) => `${input.name}: ${onNode(input, status)}`);
      };
      // What is missing at the end is in the comparison. 80 s on a quick day, and an emulated node has slow ones.
      await waitFor('tells of each', { deadlineMs: 2 * DEADLINE_MS, intervalMs: 1000 }, async () =>
        (await told()).every((line) => !line.endsWith(': nothing')),
      ).catch(() => undefined);
      expect(await told(), node.name).to.deep.equal(expected);
    }
  });

  it('the one that never ends fails alone: not published, no process of it stays, no container restarted, no kernel lost anything', async () => {
    const given = await profileWhen(EXPLOSIVE, 'given up', (one) => conditionOf(one, 'Stalled') !== undefined);
    expect(conditionOf(given, 'Stalled')?.message).to.match(/\(rule compile-(timeout|out-of-memory)\)/);
    expect(given.status?.revision).to.equal(undefined);
    for (const node of cluster().nodes) {
      const report = await nodeReportWhen(node, 'gives the compile up', ({ status }) =>
        (status?.problems ?? []).some(({ object }) => object === explosive?.name),
      );
      const row = report.status?.problems?.find(({ object }) => object === explosive?.name);
      expect(row).to.deep.include({ state: 'Failed', reason: 'CompileTimeout' });
    }
    await noParserLeft();
    expect(await restarts()).to.equal(restartsBefore);
    for (const [index, names] of (await kernelNames()).entries()) {
      expect(names).to.include.members([...(kernelsBefore[index] ?? [])]);
      expect(names).to.include.members([...beside.names, ...tenNames('inputs-applied')]);
      expect(names).not.to.include(explosive?.name).and.not.to.include(EXPLOSIVE);
    }
  });
});

interface HandMadeInput {
  /** Of the object, and of the profile where the text can be called otherwise. */
  name: string;
  outcome: InputOutcome;
  text: string;
  profiles: readonly string[];
  object: HandMadeObject;
}

/** Many texts define a profile of the same name; those that may be loaded get one of their own. */
function handMadeInput(outcome: InputOutcome): HandMadeInput {
  const name = `inputs-${outcome.input}`;
  const text = profileNamed(name, readInput(outcome.input));
  const { profiles } = reviewPolicy({ text, allowHostAttachment: true });
  return { name, outcome, text, profiles, object: handMadeObject(name, profiles.length === 0 ? [name] : profiles) };
}

function profileNamed(name: string, text: string): string {
  return text.replaceAll(/\bprofile ("?)(?:f|good|parent|k8s-apparmor-example-deny-write)\b/g, `profile $1${name}`);
}

/** The agent does not know `allowHostAttachment`: that rule is the controller's alone. */
function expectedOnNode({ rules, compile, line, parserLine }: InputOutcome): string {
  if (rules.some((rule) => rule !== 'host-attachment')) return `PolicyRefused at ${line}`;
  return compile === 'ok' ? 'loaded' : `${compile} at ${parserLine}`;
}

type NodeStatus = Awaited<ReturnType<typeof getNodeReport>>['status'];

function onNode({ name, profiles }: HandMadeInput, status: NodeStatus): string {
  const problem = status?.problems?.find(({ object }) => object === name);
  if (problem?.state === 'Failed') return `${problem.reason} at ${problem.line}`;
  if (problem !== undefined) return `${problem.reason}: ${problem.message}`;
  const isLoaded = profiles.length > 0 && profiles.every((profile) => status?.loaded?.[profile] !== undefined);
  return isLoaded ? 'loaded' : 'nothing';
}

interface GoodOnes {
  names: readonly string[];
  objects: readonly HandMadeObject[];
}

function tenNames(prefix: string): readonly string[] {
  return Array.from({ length: 10 }, (_, index) => `${prefix}-${index}`);
}

function goodPolicy(name: string): string {
  return `profile ${name} {\n  file,\n  deny /etc/** w,\n}\n`;
}

async function secondsUntilReady(names: readonly string[]): Promise<number> {
  const began = performance.now();
  await applyProfiles(Object.fromEntries(names.map((name) => [name, { policy: goodPolicy(name) }])));
  await profilesReady(names);
  return (performance.now() - began) / 1000;
}

function tenGoodOnes(prefix: string): GoodOnes {
  const names = tenNames(prefix);
  return { names, objects: names.map((name) => handMadeObject(name, [name])) };
}

async function secondsUntilLoaded({ names, objects }: GoodOnes): Promise<number> {
  const began = performance.now();
  await Promise.all(objects.map((object, index) => object.publish(goodPolicy(names[index] ?? ''))));
  await Promise.all(
    cluster().nodes.map((node) =>
      nodeReportWhen(node, 'holds all ten', ({ status }) =>
        names.every((name) => status?.loaded?.[name] !== undefined),
      ),
    ),
  );
  return (performance.now() - began) / 1000;
}

async function kernelNames(): Promise<readonly (readonly string[])[]> {
  return Promise.all(cluster().nodes.map(async (node) => [...(await kernelProfiles(node)).keys()]));
}

async function noParserLeft(): Promise<void> {
  const find = 'grep -lx apparmor_parser /proc/[0-9]*/comm 2>/dev/null; :';
  for (const node of cluster().nodes) {
    await waitFor('no parser is left', { deadlineMs: 30_000, intervalMs: 500 }, async () => {
      return (await inNode(node, find)).stdout === '';
    });
  }
}

/** Name and restarts of each pod of the operator. */
async function restarts(): Promise<string> {
  const columns = '{range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount}{"\\n"}{end}';
  return kubectl(['get', 'pods', '-n', 'apparmor-operator', '-o', `jsonpath=${columns}`]);
}
