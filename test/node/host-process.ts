import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { DEADLINE_MS, inNode } from './operator.ts';

/** A process of a node that belongs to no pod. */
export interface HostProcess {
  /** Its AppArmor label, as the kernel tells it: `NAME (mode)` or `unconfined`. */
  label(): Promise<string>;
  /** Resolves once it is gone. */
  end(): Promise<void>;
}

/** Starts a process that enters a profile by itself, or a child `PROFILE//CHILD` of one. The profile has to allow files and signals. */
export async function enterProfile(node: TestNode, profile: string): Promise<HostProcess> {
  const started = await inNode(node, `aa-exec -p '${profile}' -- sleep 100000 >/dev/null 2>&1 </dev/null & echo $!`);
  const pid = started.stdout.trim();
  const label = async (): Promise<string> => (await inNode(node, `cat /proc/${pid}/attr/current`)).stdout.trim();
  await waitFor(`${profile} is entered`, { deadlineMs: DEADLINE_MS }, async () => (await label()).startsWith(profile));
  return {
    label,
    async end() {
      await inNode(node, `kill ${pid}`);
      await waitFor(`process ${pid} is gone`, { deadlineMs: DEADLINE_MS }, async () => {
        return (await node.run(`test -e /proc/${pid}`)).code !== 0;
      });
    },
  };
}

/** Waits until no process of a node runs in enforce mode under the profile, whoever started it. */
export async function allUnderEnded(node: TestNode, profile: string): Promise<void> {
  await waitFor(`the end of what runs under ${profile}`, { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
    return (await labelsUnder(node, profile)).length === 0;
  });
}

/** Labels of all processes of a node that run in enforce mode under just this profile, whoever started them; empty if none does. */
export async function labelsUnder(node: TestNode, profile: string): Promise<readonly string[]> {
  const script = `grep -hx '${profile} (enforce)' /proc/[0-9]*/attr/current 2>/dev/null; :`;
  return (await inNode(node, script)).stdout.split('\n').filter((line) => line !== '');
}
