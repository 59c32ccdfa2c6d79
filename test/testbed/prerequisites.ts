import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { defaultCacheFolder, type Cache } from './cache.ts';
import { goProblem, isKubernetesBinaryCached } from './kubernetes-binary.ts';
import { interruption, run } from './process.ts';

/** What the machine is to be used for; each later one needs what those before it need. */
export type Purpose = 'unit' | 'cluster' | 'node';

/**
 * Makes sure that the machine has what `purpose` needs. As root on a Debian it installs missing packages; whatever
 * else is missing is named in the PrerequisiteError, one line each, with the command that installs it.
 */
export async function ensurePrerequisites(purpose: Purpose, cache: Cache, path: string): Promise<void> {
  const problems: string[] = [];
  const isRoot = process.getuid?.() === 0;
  if (purpose === 'node' && !isRoot) {
    problems.push('root is needed (network namespaces, a root file system): run it again with sudo');
  }
  const missing = await missingPackages(purpose, path);
  if (missing.length > 0 && isRoot && (await isOnPath('apt-get', path))) {
    cache.log(`installing Debian packages: ${missing.join(' ')}`);
    await installPackages(missing, cache);
  }
  for (const name of await missingPackages(purpose, path)) {
    problems.push(`Debian package ${name} is missing: apt-get install ${name}`);
  }
  if (purpose !== 'unit' && !(await isKubernetesBinaryCached(cache))) {
    const problem = (await isOnPath('setpriv', path)) ? await goProblem() : undefined;
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length > 0) throw new PrerequisiteError(problems);
}

export class PrerequisiteError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'PrerequisiteError';
  }
}

interface Package {
  name: string;
  /** One that it brings: found on PATH, or the whole path. */
  command: string;
  since: Purpose;
}

const qemu =
  process.arch === 'arm64'
    ? { name: 'qemu-system-arm', command: 'qemu-system-aarch64' }
    : { name: 'qemu-system-x86', command: 'qemu-system-x86_64' };

const packages: readonly Package[] = [
  { name: 'util-linux', command: 'setpriv', since: 'unit' },
  { name: 'apparmor', command: 'apparmor_parser', since: 'unit' },
  { name: 'openssl', command: 'openssl', since: 'cluster' },
  { ...qemu, since: 'node' },
  { name: 'qemu-utils', command: 'qemu-img', since: 'node' },
  { name: 'mmdebstrap', command: 'mmdebstrap', since: 'node' },
  // mmdebstrap only recommends it, and without it finds no keys.
  { name: 'gpg', command: 'gpg', since: 'node' },
  { name: 'buildah', command: 'buildah', since: 'node' },
  // Debian 13's buildah only recommends it, and without it ends at once.
  { name: 'netavark', command: '/usr/lib/podman/netavark', since: 'node' },
  { name: 'e2fsprogs', command: 'mke2fs', since: 'node' },
  { name: 'iproute2', command: 'ip', since: 'cluster' },
  { name: 'iptables', command: 'iptables', since: 'node' },
  { name: 'procps', command: 'sysctl', since: 'node' },
];

const purposes: readonly Purpose[] = ['unit', 'cluster', 'node'];

async function missingPackages(purpose: Purpose, path: string): Promise<string[]> {
  const needed = packages.filter(({ since }) => purposes.indexOf(since) <= purposes.indexOf(purpose));
  const found = await Promise.all(needed.map(({ command }) => isOnPath(command, path)));
  return needed.filter((_, index) => found[index] === false).map(({ name }) => name);
}

async function isOnPath(command: string, path: string): Promise<boolean> {
  const found = await Promise.all(
    path.split(delimiter).map((folder) =>
      access(resolve(folder, command), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

async function installPackages(names: readonly string[], cache: Cache): Promise<void> {
  const apt = (args: readonly string[]): Promise<unknown> =>
    run('apt-get', ['--yes', '--quiet', '-o', 'DPkg::Lock::Timeout=600', ...args], {
      // A second run beside us may install too: it waits for the lock.
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      timeoutMs: 30 * 60_000,
      ...(cache.signal === undefined ? {} : { signal: cache.signal }),
    });
  if (await areListsOld()) await apt(['update']);
  // What is recommended includes a desktop for QEMU.
  const install = ['install', '--no-install-recommends', ...names];
  try {
    await apt(install);
  } catch {
    // Lists that look new enough can still name versions that the mirror has replaced.
    cache.signal?.throwIfAborted();
    await apt(['update']);
    await apt(install);
  }
}

const listsAreOldAfterMs = 3 * 24 * 60 * 60_000;

async function areListsOld(): Promise<boolean> {
  const folder = '/var/lib/apt/lists';
  const names = await readdir(folder).catch(() => []);
  if (!names.some((name) => name.includes('_Packages'))) return true;
  return Date.now() - (await stat(folder)).mtimeMs > listsAreOldAfterMs;
}

async function main(): Promise<void> {
  const signal = interruption();
  const cache = { folder: defaultCacheFolder(process.env), log: console.error, signal };
  const purpose = purposes.find((name) => name === process.argv[2]) ?? 'node';
  try {
    await ensurePrerequisites(purpose, cache, process.env['PATH'] ?? '');
  } catch (error) {
    console.error(error instanceof PrerequisiteError ? error.message : error);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main();
