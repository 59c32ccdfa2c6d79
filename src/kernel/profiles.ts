import { opendir, readFile } from 'node:fs/promises';
import type { KernelProfile } from './apparmor.ts';
import { errorCode } from './error-code.ts';

/** How many profiles are read at once: Node's thread pool has four threads. */
const AT_ONCE = 8;

/**
 * Reads `policy/profiles`: one folder per profile, its children in a folder `profiles` inside it. A profile that goes
 * away while it is read is left out. Throws what the file system says if the list itself cannot be read.
 */
export async function readProfiles(folder: string): Promise<readonly KernelProfile[]> {
  const found: KernelProfile[] = [];
  await readLevel(Buffer.from(folder), undefined, found);
  return found;
}

/** Whether the kernel made this name up while a profile in complain mode learned: `parent//null-…`. */
export function isLearningName(name: string): boolean {
  return /\/\/null-/.test(name);
}

async function readLevel(folder: Buffer, parent: string | undefined, found: KernelProfile[]): Promise<void> {
  let batch: string[] = [];
  const readBatch = async (): Promise<void> => {
    const level = await Promise.all(batch.map((entry) => readProfile(inside(folder, entry), parent)));
    batch = [];
    for (const profile of level) {
      if (profile === undefined) continue;
      found.push(profile.profile);
      if (profile.hasChildren) await readChildren(inside(profile.folder, 'profiles'), profile.profile.name, found);
    }
  };
  for await (const entry of await opendir(folder, { encoding: 'latin1' })) {
    // By the hundred thousand in complain mode, so they are skipped by the folder's name, before any of their files is read.
    if (parent !== undefined && entry.name.startsWith('null-')) continue;
    batch.push(entry.name);
    if (batch.length === AT_ONCE) await readBatch();
  }
  await readBatch();
}

/**
 * Of a name the kernel keeps some bytes and drops others (`mangle_name` in security/apparmor/apparmorfs.c), so that what remains of one
 * beyond ASCII is no text: a path has to be made of its bytes. `entry`: one character for each.
 */
function inside(folder: Buffer, entry: string): Buffer {
  return Buffer.concat([folder, Buffer.from(`/${entry}`, 'latin1')]);
}

async function readChildren(folder: Buffer, parent: string, found: KernelProfile[]): Promise<void> {
  try {
    await readLevel(folder, parent, found);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

interface ProfileFolder {
  folder: Buffer;
  profile: KernelProfile;
  hasChildren: boolean;
}

async function readProfile(folder: Buffer, parent: string | undefined): Promise<ProfileFolder | undefined> {
  const [name, mode, rawSha256, attach] = await Promise.all([
    readLine(inside(folder, 'name')),
    readLine(inside(folder, 'mode')),
    readLine(inside(folder, 'raw_sha256')),
    readLine(inside(folder, 'attach')),
  ]);
  const rawSha1 = rawSha256 === undefined ? await readLine(inside(folder, 'raw_sha1')) : undefined;
  if (name === undefined || mode === undefined) return undefined;
  return {
    folder,
    profile: {
      name: fullName(name, parent),
      mode,
      ...(rawSha256 === undefined ? {} : { rawSha256 }),
      ...(rawSha1 === undefined ? {} : { rawSha1 }),
      ...(attach === undefined ? {} : { attach }),
    },
    hasChildren: await exists(inside(folder, 'profiles')),
  };
}

/** The `name` file of a child holds only its own part (`profile->base.name` in security/apparmor/apparmorfs.c). */
function fullName(name: string, parent: string | undefined): string {
  if (parent === undefined || name.startsWith(`${parent}//`)) return name;
  return `${parent}//${name}`;
}

async function exists(folder: Buffer): Promise<boolean> {
  try {
    const opened = await opendir(folder);
    await opened.close();
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** One line without its end; undefined where the kernel has no such file, or no longer. */
async function readLine(path: Buffer): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).replace(/\n$/, '');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** ENOENT: never there or removed; the other two are what a file of a profile under removal can answer. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'EINVAL', 'ESTALE', 'ENOTDIR'].includes(errorCode(error));
}
