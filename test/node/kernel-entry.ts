import type { TestNode } from '../testbed/node.ts';
import { inNode } from './operator.ts';

/** The kernel's count of changes to its policies: the same as before means that nothing was loaded, replaced or removed. */
export async function kernelRevision(node: TestNode): Promise<string> {
  // One read: the next one on the same descriptor waits for a change.
  return (await inNode(node, 'dd if=/sys/kernel/security/apparmor/revision bs=64 count=1 2>/dev/null')).stdout.trim();
}

/**
 * What tells one load of a profile from every other, even of the same bytes: the numbers that the kernel gave to the profile and
 * to the data that it was loaded from. The same as before means that it was there all the time, whatever became of others.
 */
export async function kernelEntry(node: TestNode, profile: string): Promise<string> {
  const script = `cd /sys/kernel/security/apparmor/policy/profiles && file=$(grep -lxF '${profile}' */name) && readlink "\${file%name}raw_data" && echo "$file"`;
  return (await inNode(node, script)).stdout.trim();
}
