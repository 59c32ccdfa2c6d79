import { open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Replaces a file so that a crash at any moment leaves the old or the new content, never a part: written beside it, fsynced,
 * renamed, and the folder fsynced. Throws what the file system says; the old content is then still there.
 */
export async function writeFileAtomically(path: string, content: string | Buffer): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}${UNFINISHED}`);
  try {
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

const UNFINISHED = '.new';

/** Whether this is the name of a file that is being written, or was when the process ended. */
export function isUnfinished(name: string): boolean {
  return name.startsWith('.') && name.endsWith(UNFINISHED);
}

/** Deletes what a process that ended left unfinished; to be called before anything is written. Never throws. */
export async function deleteUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) if (isUnfinished(name)) await unlink(join(folder, name)).catch(() => undefined);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
