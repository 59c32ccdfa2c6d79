import type { TestNode } from '../testbed/node.ts';
import { inNode } from './operator.ts';

/** The kernel's count of changes to its policies: the same as before means that nothing was loaded, replaced or removed. */
export async function kernelRevision(node: TestNode): Promise<string> {
  // One read: the next one on the same descriptor waits for a change.
  return (await inNode(node, 'dd if=/sys/kernel/security/apparmor/revision bs=64 count=1 2>/dev/null')).stdout.trim();
}
