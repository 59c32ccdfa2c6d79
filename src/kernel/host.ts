import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Random id of the running boot, as in the Node's `status.nodeInfo.bootID`. Throws what the file system says, and if there is
 * none: without it, nothing could be told from what happened in another boot.
 */
export async function bootId(procRoot: string): Promise<string> {
  const path = join(procRoot, 'sys/kernel/random/boot_id');
  const id = (await readFile(path, 'utf8')).trim();
  if (id === '') throw new Error(`${path} is empty`);
  return id;
}

/** Release of the running kernel, as `uname -r` prints it. Throws what the file system says. */
export async function kernelRelease(procRoot: string): Promise<string> {
  return (await readFile(join(procRoot, 'sys/kernel/osrelease'), 'utf8')).trim();
}
