import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { randomNetworkName, removeNetwork } from './network.ts';

/** One use of the test bed: a network namespace and folders that share a random name. */
export interface Run {
  name: string;
  /** Disks, logs, certificates. */
  folder: string;
  /** Unix sockets: their paths may hold 107 bytes, too few for a folder deep in somebody's home. */
  sockets: string;
  remove(): Promise<void>;
}

/** What the run's folder says about the process it ends with. */
export interface RunOwner {
  pid: number;
  /** Start time in clock ticks since boot, as a pid may be used again. */
  started: string;
  bootId: string;
}

/** Makes the folders of a new run, after removing what runs left behind whose process has died. */
export async function createRun(cacheFolder: string): Promise<Run> {
  const runs = join(cacheFolder, 'runs');
  await mkdir(runs, { recursive: true });
  await removeLeftovers(runs);
  const name = randomNetworkName();
  const folder = join(runs, name);
  const sockets = socketFolder(name);
  await mkdir(folder);
  await writeFile(join(folder, 'owner.json'), JSON.stringify(await processIdentity(process.pid)));
  await mkdir(sockets);
  return { name, folder, sockets, remove: () => removeRun(runs, name) };
}

/** Where the run of that name has its sockets. */
export function socketFolder(name: string): string {
  return join('/run', name);
}

async function removeLeftovers(runs: string): Promise<void> {
  for (const name of await readdir(runs)) {
    if (!name.startsWith('aao-')) continue;
    const owner = await readOwner(join(runs, name));
    // Without an owner yet, a process beside us is just making it.
    if (owner !== undefined && !(await isAlive(owner))) await removeRun(runs, name);
  }
}

async function removeRun(runs: string, name: string): Promise<void> {
  await removeNetwork(name);
  await rm(socketFolder(name), { recursive: true, force: true });
  await rm(join(runs, name), { recursive: true, force: true });
}

export async function readOwner(folder: string): Promise<RunOwner | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'owner.json'), 'utf8')) as RunOwner;
  } catch {
    return undefined;
  }
}

export async function isAlive(owner: RunOwner): Promise<boolean> {
  const now = await processIdentity(owner.pid);
  return now !== undefined && now.started === owner.started && now.bootId === owner.bootId;
}

export async function processIdentity(pid: number): Promise<RunOwner | undefined> {
  try {
    const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The program's name in parentheses may hold spaces; the start time is the 20th field after it (proc(5)).
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return { pid, started, bootId };
  } catch {
    return undefined;
  }
}
