import { readFileSync, statSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import type { KernelProfile } from './apparmor.ts';
import { errorCode } from './error-code.ts';

/**
 * Reads `policy/profiles`: one folder per profile, its children in a folder `profiles` inside it. A profile that goes
 * away while it is read is left out. Throws what the file system says if the list itself cannot be read.
 *
 * The files are read at once, not by promises: they are in the kernel's memory, and of 120 profiles that is 11 ms of processor time instead
 * of 60. Between some dozens of them, as the folder comes, others have their turn.
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
  for await (const entry of await opendir(folder, { encoding: 'latin1' })) {
    // By the hundred thousand in complain mode, so they are skipped by the folder's name, before any of their files is read.
    if (parent !== undefined && entry.name.startsWith('null-')) continue;
    const own = inside(folder, entry.name);
    const profile = readProfile(own, parent);
    if (profile === undefined) continue;
    found.push(profile);
    const children = inside(own, 'profiles');
    if (isThere(children)) await readChildren(children, profile.name, found);
  }
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

function readProfile(folder: Buffer, parent: string | undefined): KernelProfile | undefined {
  const line = (file: string): string | undefined => readLine(inside(folder, file));
  const name = line('name');
  const mode = line('mode');
  if (name === undefined || mode === undefined) return undefined;
  const rawSha256 = line('raw_sha256');
  const rawSha1 = rawSha256 === undefined ? line('raw_sha1') : undefined;
  const attach = line('attach');
  return {
    name: fullName(name, parent),
    mode,
    ...(rawSha256 === undefined ? {} : { rawSha256 }),
    ...(rawSha1 === undefined ? {} : { rawSha1 }),
    ...(attach === undefined ? {} : { attach }),
  };
}

/** The `name` file of a child holds only its own part (`profile->base.name` in security/apparmor/apparmorfs.c). */
function fullName(name: string, parent: string | undefined): string {
  if (parent === undefined || name.startsWith(`${parent}//`)) return name;
  return `${parent}//${name}`;
}

/** Most have no children, and an exception costs more than the question. */
function isThere(folder: Buffer): boolean {
  try {
    return statSync(folder, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** One line without its end; undefined where the kernel has no such file, or no longer. */
function readLine(path: Buffer): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/\n$/, '');
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** ENOENT: never there or removed; the other two are what a file of a profile under removal can answer. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'EINVAL', 'ESTALE', 'ENOTDIR'].includes(errorCode(error));
}
