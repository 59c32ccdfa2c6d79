import type { AppArmorNodeStatusProblem } from '../../src/api/generated/index.ts';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { DEADLINE_MS, getNodeReport, kubectl } from './operator.ts';

/** Of a node's report: what it says of one profile, and which of its grants to remove profiles are in force. */
interface Said {
  row: AppArmorNodeStatusProblem | undefined;
  isLoaded: boolean;
  isGranted: boolean;
}

/** Waits until a node says what is expected of a profile; throws with what it says instead. */
export async function saysOf(node: TestNode, profile: string, expected: (said: Said) => boolean): Promise<Said> {
  let last: Said | undefined;
  try {
    return await waitFor('what is expected', { deadlineMs: DEADLINE_MS, intervalMs: 300 }, async () => {
      last = await said(node, profile);
      return expected(last) ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${node.name} does not say of ${profile} what is expected: ${JSON.stringify(last)}`, {
      cause: error,
    });
  }
}

async function said(node: TestNode, profile: string): Promise<Said> {
  const { spec, status } = await getNodeReport(node);
  return {
    row: status?.problems?.find((problem) => problem.profile === profile),
    isLoaded: status?.loaded?.[profile] !== undefined,
    isGranted: (spec?.unload ?? []).some((grant) => grant.profile === profile),
  };
}

/** Waits for an Event on one of the objects and returns its note. */
export async function eventNote(reason: string, ...objects: readonly string[]): Promise<string> {
  const query = ['get', 'events.events.k8s.io', '-A', `--field-selector=reason=${reason}`];
  const columns = 'jsonpath={range .items[*]}{.regarding.name} {.note}{"\\n"}{end}';
  return waitFor(`${reason} of ${objects.join(' or ')}`, { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
    const lines = (await kubectl([...query, '-o', columns])).split('\n').map((line) => line.split(/ (.*)/, 2));
    return lines.find(([name = '']) => objects.includes(name))?.[1];
  });
}
