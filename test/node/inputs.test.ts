import { expect } from 'chai';
import { reviewPolicy } from '../../src/policy/rules.ts';
import { INPUT_OUTCOMES, type InputOutcome } from '../inputs/outcomes.ts';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { readInput } from '../unit/policy/read-input.ts';
import { cluster } from './fixture.ts';
import { handMadeObject, type HandMadeObject } from './hand-made.ts';
import {
  applyProfile,
  DEADLINE_MS,
  getNodeReport,
  inNode,
  kernelProfiles,
  kubectl,
  nodeReportWhen,
} from './operator.ts';

/**
 * What becomes of every text of test/inputs on agents alone: the revisions are made by hand, past the review. The one whose
 * compile would never end is published first, together with ten good ones.
 */
describe('test/inputs, past the review', function () {
  this.timeout(600_000);
  const inputs = INPUT_OUTCOMES.map(handMadeInput);
  const explosive = inputs.find(({ outcome }) => outcome.compile === 'CompileTimeout');
  const others = inputs.filter((input) => input !== explosive);
  const usual = tenGoodOnes('inputs-usual');
  const beside = tenGoodOnes('inputs-beside');
  const made = [...inputs.map(({ object }) => object), ...usual.objects, ...beside.objects];
  let agentsBefore: string;
  let kernelsBefore: readonly (readonly string[])[];

  before(async () => {
    // What is removed from the kernels at the end is granted only while the cluster has some AppArmorProfile.
    await applyProfile('inputs-kept', { policy: 'profile inputs-kept { file, }' });
    agentsBefore = await agents();
    kernelsBefore = await kernelNames();
  });

  after(async () => {
    await Promise.all(made.map((object) => object.remove()));
    for (const node of cluster().nodes) {
      await nodeReportWhen(node, 'holds none of it any more', ({ status }) =>
        [...Object.keys(status?.loaded ?? {}), ...(status?.problems ?? []).map(({ profile }) => profile)].every(
          (profile) => profile === 'inputs-kept' || !profile.startsWith('inputs-'),
        ),
      );
    }
  });

  it('ten good policies are loaded beside one whose compile never ends, before that is given up', async () => {
    const without = await secondsUntilLoaded(usual);
    await explosive?.object.publish(explosive.text);
    const together = await secondsUntilLoaded(beside);
    console.log(`      ten on two nodes: ${without.toFixed(0)} s; beside the explosive one: ${together.toFixed(0)} s`);
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
      await waitFor(`${node.name} tells of each`, { deadlineMs: DEADLINE_MS, intervalMs: 1000 }, async () =>
        (await told()).every((line) => !line.endsWith(': nothing')),
      );
      expect(await told(), node.name).to.deep.equal(expected);
    }
  });

  it('the one that never ends fails alone: no process of it stays, no container was restarted, no kernel lost anything', async () => {
    for (const node of cluster().nodes) {
      const report = await nodeReportWhen(node, 'gives the compile up', ({ status }) =>
        (status?.problems ?? []).some(({ object }) => object === explosive?.name),
      );
      const row = report.status?.problems?.find(({ object }) => object === explosive?.name);
      expect(row).to.deep.include({ state: 'Failed', reason: 'CompileTimeout' });
      await waitFor('no parser is left', { deadlineMs: 30_000, intervalMs: 500 }, async () => !(await hasParser(node)));
    }
    expect(await agents()).to.equal(agentsBefore);
    for (const [index, names] of (await kernelNames()).entries()) {
      expect(names).to.include.members([...(kernelsBefore[index] ?? [])]);
      expect(names).to.include.members(beside.names);
      expect(names).not.to.include(explosive?.name);
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
  const text = readInput(outcome.input).replaceAll(
    /\bprofile ("?)(?:f|good|k8s-apparmor-example-deny-write)\b/g,
    `profile $1${name}`,
  );
  const { profiles } = reviewPolicy({ text, allowHostAttachment: true });
  return { name, outcome, text, profiles, object: handMadeObject(name, profiles.length === 0 ? [name] : profiles) };
}

/** The agent does not know `allowHostAttachment`: that rule is the controller's alone. */
function expectedOnNode({ rules, compile, line, parserLine }: InputOutcome): string {
  if (rules.some((rule) => rule !== 'host-attachment')) return `PolicyRefused at ${line}`;
  return compile === 'ok' ? 'loaded' : `${compile} at ${parserLine}`;
}

type NodeStatus = Awaited<ReturnType<typeof getNodeReport>>['status'];

function onNode({ name, profiles }: HandMadeInput, status: NodeStatus): string {
  const problem = status?.problems?.find(({ object, state }) => object === name && state === 'Failed');
  if (problem !== undefined) return `${problem.reason} at ${problem.line}`;
  const isLoaded = profiles.length > 0 && profiles.every((profile) => status?.loaded?.[profile] !== undefined);
  return isLoaded ? 'loaded' : 'nothing';
}

interface GoodOnes {
  names: readonly string[];
  objects: readonly HandMadeObject[];
}

function tenGoodOnes(prefix: string): GoodOnes {
  const names = Array.from({ length: 10 }, (_, index) => `${prefix}-${index}`);
  return { names, objects: names.map((name) => handMadeObject(name, [name])) };
}

async function secondsUntilLoaded({ names, objects }: GoodOnes): Promise<number> {
  const began = performance.now();
  await Promise.all(
    objects.map((object, index) => object.publish(`profile ${names[index]} {\n  file,\n  deny /etc/** w,\n}\n`)),
  );
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

async function hasParser(node: TestNode): Promise<boolean> {
  return (await inNode(node, 'grep -lx apparmor_parser /proc/[0-9]*/comm 2>/dev/null; :')).stdout !== '';
}

/** Name and restarts of each agent pod. */
async function agents(): Promise<string> {
  const columns = '{range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount}{"\\n"}{end}';
  const selector = ['-n', 'apparmor-operator', '-l', 'app.kubernetes.io/component=agent'];
  return kubectl(['get', 'pods', ...selector, '-o', `jsonpath=${columns}`]);
}
