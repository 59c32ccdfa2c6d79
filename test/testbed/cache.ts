import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { spawn } from 'node:child_process';

export interface Cache {
  /** Usually `${XDG_CACHE_HOME:-~/.cache}/apparmor-operator`, see `defaultCacheFolder`. */
  folder: string;
  /** Where progress lines go. */
  log: (line: string) => void;
  signal?: AbortSignal;
}

export interface CacheEntry {
  /** A folder name: `kubernetes`, `node-root-trixie`, … */
  name: string;
  /** What the result is made from: versions, file contents, commands. Any change makes a new result. */
  key: readonly (string | Buffer)[];
  /** Makes the result inside `folder`, which exists and is empty. May report steps of its own through `log`. */
  build: (folder: string, log: (line: string) => void) => Promise<void>;
  /** What the first progress line says about the time, for example `about 15 min on 2 cores`. */
  estimate?: string;
  /** How many results of this name stay, the latest used ones; default 2. */
  keep?: number;
}

/**
 * The folder that holds the entry's result, built now unless it is there already.
 *
 * It appears at once or not at all (built beside it, then renamed), and of several processes that want it one builds
 * while the others wait. Never change anything in it: others use it. Throws what `build` throws, with nothing kept.
 */
export async function cached(cache: Cache, entry: CacheEntry): Promise<string> {
  const home = join(cache.folder, entry.name);
  const result = join(home, hashOf(entry.key));
  if (await used(result)) return result;

  await mkdir(home, { recursive: true });
  const progress = startProgress(entry, cache.log);
  try {
    const lock = await takeLock(`${home}.lock`, cache.signal, () => {
      progress.say('another process is building, waiting for it');
    });
    try {
      if (await used(result)) return result;
      await buildInto(result, entry, progress);
      await prune(home, entry.keep ?? 2);
    } finally {
      await lock.release();
    }
    progress.done('built');
    return result;
  } catch (error) {
    progress.done('failed');
    throw error;
  } finally {
    progress.stop();
  }
}

/** Whether `cached` would find the result there already. */
export async function isCached(cache: Cache, entry: Pick<CacheEntry, 'name' | 'key'>): Promise<boolean> {
  return used(join(cache.folder, entry.name, hashOf(entry.key)));
}

/** Where results are kept when nothing else is said. For mains, which may read the environment. */
export function defaultCacheFolder(env: { XDG_CACHE_HOME?: string | undefined; HOME?: string | undefined }): string {
  const base = env.XDG_CACHE_HOME || join(env.HOME || '/root', '.cache');
  return join(base, 'apparmor-operator');
}

/** `1 min 5 s` */
export function formatElapsed(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export interface Lock {
  release: () => Promise<void>;
}

/**
 * A lock between processes on this machine, held by a child (`flock FILE cat`) for as long as its input is open: the
 * kernel frees it when this process dies, so there are no stale locks. The file stays: removing it would let two
 * processes lock two files of the same name.
 */
export async function takeLock(file: string, signal: AbortSignal | undefined, onWait: () => void): Promise<Lock> {
  signal?.throwIfAborted();
  const holder = spawn('flock', [file, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const exited = new Promise<void>((resolve) => {
    holder.once('exit', () => resolve());
    holder.once('error', () => resolve());
  });
  holder.stdin.on('error', () => undefined);
  const release = async (): Promise<void> => {
    holder.stdin.end();
    await exited;
  };
  const onAbort = (): void => void holder.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  const waiting = setTimeout(onWait, 1000);
  try {
    // `cat` echoes what was written only once flock has the lock and has started it.
    const held = new Promise<boolean>((resolve) => {
      holder.stdout.once('data', () => resolve(true));
      void exited.then(() => resolve(false));
    });
    holder.stdin.write('\n');
    if (await held) return { release };
    signal?.throwIfAborted();
    throw new Error(`cannot lock ${file}: is flock (Debian package util-linux) installed?`);
  } finally {
    clearTimeout(waiting);
    signal?.removeEventListener('abort', onAbort);
  }
}

function hashOf(key: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of key) hash.update(createHash('sha256').update(part).digest());
  return hash.digest('hex').slice(0, 16);
}

/** Whether the result is there; its time is set to now, since pruning keeps the latest used. */
async function used(result: string): Promise<boolean> {
  try {
    const now = new Date();
    await utimes(result, now, now);
    return true;
  } catch {
    return false;
  }
}

async function buildInto(result: string, entry: CacheEntry, progress: Progress): Promise<void> {
  const leftovers = await siblings(result, '.building-');
  await Promise.all(leftovers.map((path) => rm(path, { recursive: true, force: true })));

  const folder = `${result}.building-${randomBytes(4).toString('hex')}`;
  await mkdir(folder);
  progress.say(entry.estimate === undefined ? 'building' : `building (${entry.estimate})`);
  try {
    await entry.build(folder, progress.say);
    await rename(folder, result);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function siblings(result: string, suffix: string): Promise<string[]> {
  const home = join(result, '..');
  const prefix = result.slice(home.length + 1) + suffix;
  return (await readdir(home)).filter((name) => name.startsWith(prefix)).map((name) => join(home, name));
}

const recentlyMs = 60 * 60 * 1000;

/** Removes results not used lately. One used within the hour stays whatever the number: a run beside us may use it. */
async function prune(home: string, keep: number): Promise<void> {
  const results = await Promise.all(
    (await readdir(home)).map(async (name) => ({ path: join(home, name), at: (await stat(join(home, name))).mtimeMs })),
  );
  results.sort((a, b) => b.at - a.at);
  const old = results.slice(keep).filter((result) => Date.now() - result.at > recentlyMs);
  await Promise.all(old.map((result) => rm(result.path, { recursive: true, force: true })));
}

interface Progress {
  say: (line: string) => void;
  done: (how: string) => void;
  stop: () => void;
}

const progressEveryMs = 30_000;

function startProgress(entry: CacheEntry, log: (line: string) => void): Progress {
  const started = performance.now();
  const elapsed = (): string => formatElapsed(performance.now() - started);
  let doing = 'waiting';
  const ticker = setInterval(() => log(`${entry.name}: ${doing}, ${elapsed()} so far`), progressEveryMs);
  return {
    say: (line) => {
      doing = line;
      log(`${entry.name}: ${line}`);
    },
    done: (how) => log(`${entry.name}: ${how} after ${elapsed()}`),
    stop: () => clearInterval(ticker),
  };
}
