import type { TestNode } from '../testbed/node.ts';
import { inNode } from './operator.ts';

/**
 * What tells one load of a profile from every other, even of the same bytes: the numbers that the kernel gave to the profile and
 * to the data that it was loaded from. The same as before means that it was there all the time, whatever became of others.
 */
export async function kernelEntry(node: TestNode, profile: string): Promise<string> {
  const script = `cd /sys/kernel/security/apparmor/policy/profiles && file=$(grep -lxF '${profile}' */name) && readlink "\${file%name}raw_data" && echo "$file"`;
  return (await inNode(node, script)).stdout.trim();
}

/** The same of all profiles of a node, children included: `FOLDER LINK`, where the folder is named after the profile. */
export async function kernelEntries(node: TestNode): Promise<readonly string[]> {
  const script = "cd /sys/kernel/security/apparmor/policy/profiles && find . -name raw_data -printf '%P %l\\n'";
  return (await inNode(node, script)).stdout.trim().split('\n');
}
