import { constants } from 'node:fs';
import { access, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';
import { readProfiles } from './profiles.ts';
import { KernelWriteError } from './write-error.ts';

/** One profile as the kernel shows it; children and hats by their full name `parent//child`. */
export interface KernelProfile {
  name: string;
  /** As the `mode` file prints it: enforce, complain, kill, unconfined or user. */
  mode: string;
  /** Hex SHA-256 of the bytes that were written; absent on kernels that do not export it. */
  rawSha256?: string;
  /** The same as SHA-1, on kernels before 6.8, which know no other. */
  rawSha1?: string;
  /** As the `attach` file prints it; absent if the kernel has no such file. */
  attach?: string;
}

export type NotEnforcingReason = 'AppArmorDisabled' | 'SecurityfsMissing' | 'NoPermission';

export type EnforcingState = { enforcing: true } | { enforcing: false; reason: NotEnforcingReason; message: string };

/** The node's AppArmor, through securityfs. Nothing is cached: every call asks the kernel. */
export interface AppArmorKernel {
  /** Whether policy can be loaded here, and if not, why. Never throws. */
  state(): Promise<EnforcingState>;
  /** The number that changes with every change of policy; `0` when nothing was loaded since boot. */
  revision(): Promise<string>;
  /** Everything loaded, recursively, without the `null-…` entries that complain mode makes up while it learns. */
  profiles(): Promise<readonly KernelProfile[]>;
  /** Loads or replaces all profiles of one compiled policy by ONE write. Throws KernelWriteError. */
  load(binary: Buffer): Promise<void>;
  /**
   * Removes a profile with its children. Processes that run under it become unconfined, and loading it again does not
   * confine them again. Throws KernelWriteError.
   */
  remove(name: string): Promise<void>;
}

/** `securityfs` is the folder where it is mounted, `/sys/kernel/security` on a host. */
export function openAppArmorKernel(securityfs: string): AppArmorKernel {
  const folder = join(securityfs, 'apparmor');
  return {
    state: () => readState(securityfs, folder),
    revision: () => readRevision(join(folder, 'revision')),
    profiles: () => readProfiles(join(folder, 'policy', 'profiles')),
    load: (binary) => writeOnce(join(folder, '.replace'), 'load', binary),
    remove: (name) => writeOnce(join(folder, '.remove'), 'remove', Buffer.from(name, 'utf8')),
  };
}

async function readState(securityfs: string, folder: string): Promise<EnforcingState> {
  const missing = await whyMissing(securityfs, folder);
  if (missing !== undefined) return missing;
  try {
    await access(join(folder, '.replace'), constants.W_OK);
    await readdir(join(folder, 'policy', 'profiles'));
    return { enforcing: true };
  } catch (error) {
    return {
      enforcing: false,
      reason: 'NoPermission',
      message: `the agent may not use ${folder} (${errorCode(error)}): it needs user 0, securityfs mounted writable, and no AppArmor profile of its own`,
    };
  }
}

/** A kernel booted with `apparmor=0` has securityfs with other files (`lsm`) in it and no folder `apparmor`. */
async function whyMissing(securityfs: string, folder: string): Promise<EnforcingState | undefined> {
  try {
    await stat(folder);
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      return { enforcing: false, reason: 'NoPermission', message: `the agent may not read ${folder} (${code})` };
    }
  }
  if ((await entriesOf(securityfs)).length === 0) {
    return {
      enforcing: false,
      reason: 'SecurityfsMissing',
      message: `securityfs is not mounted at ${securityfs}: mount it on the node (mount -t securityfs securityfs /sys/kernel/security)`,
    };
  }
  return {
    enforcing: false,
    reason: 'AppArmorDisabled',
    message:
      'the kernel runs without AppArmor: boot it with apparmor=1 security=apparmor, or keep the policy off this node',
  };
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

/**
 * A read at revision 0 blocks until something is loaded, so it is opened O_NONBLOCK and answers EAGAIN then. A blocking
 * read would hold a thread of Node's pool.
 */
async function readRevision(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, null);
    return buffer.toString('latin1', 0, bytesRead).trim() || '0';
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return '0';
    throw error;
  } finally {
    await file.close();
  }
}

/** The kernel takes each write as a whole policy, so a policy in two writes would be two broken ones. */
async function writeOnce(path: string, operation: 'load' | 'remove', bytes: Buffer): Promise<void> {
  try {
    const file = await open(path, constants.O_WRONLY);
    try {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length);
      if (bytesWritten !== bytes.length) throw new KernelWriteError(operation, 'EIO');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof KernelWriteError) throw error;
    throw new KernelWriteError(operation, errorCode(error), error);
  }
}
