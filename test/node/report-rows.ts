import type { AppArmorNodeStatusProblem } from '../../src/api/generated/index.ts';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { DEADLINE_MS, getNodeReport, kernelProfiles, kubectl } from './operator.ts';

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

/** From the end of what runs under a profile, and from the grant, whichever is later; in milliseconds. */
export const REMOVED_WITHIN_MS = 30_000;

/** Waits until a node's kernel holds none of the profiles; throws with what the node says of those that it still holds. */
export async function removedWithin(deadlineMs: number, node: TestNode, profiles: readonly string[]): Promise<void> {
  let held = profiles;
  try {
    await waitFor('gone', { deadlineMs, intervalMs: 500 }, async () => {
      const kernel = await kernelProfiles(node);
      held = profiles.filter((name) => kernel.has(name));
      return held.length === 0;
    });
  } catch (error) {
    const says = await Promise.all(held.map(async (name) => `${name}: ${JSON.stringify(await said(node, name))}`));
    throw new Error(`${node.name} still holds after ${deadlineMs / 1000} s: ${says.join('; ')}`, { cause: error });
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
