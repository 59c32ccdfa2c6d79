import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode } from './error-code.ts';
import { rootsInLabel } from './profile-name.ts';

/** The node's processes, through its /proc. Nothing is cached: every call asks the kernel. */
export interface ProcessTable {
  /**
   * Looks at every process and thread of the node, and says for each of these top-level profiles what runs under it or under a
   * child of it, or will from its next exec. Throws ProcessTableError if not all of them can be seen.
   */
  usersOf(profiles: ReadonlySet<string>): Promise<ReadonlyMap<string, ProfileUsers>>;
  /** Whether this one still counts as a user; costs two reads. */
  isUser(task: Task, profile: string): boolean;
}

export interface ProfileUsers {
  /** Number of processes with a thread that runs under the profile. */
  processes: number;
  /** Number of processes that could not be looked into: each may run under any profile. */
  unreadable: number;
  /** One of them all, to ask after again. */
  example?: Task;
}

export interface Task {
  pid: string;
  tid: string;
}

/** The node's processes cannot be seen, or not all of them, so nothing is known of what runs under a profile. */
export class ProcessTableError extends Error {
  override readonly name = 'ProcessTableError';
}

/** `procRoot` is where the host's /proc is mounted. */
export function openProcessTable(procRoot: string): ProcessTable {
  const buffer = Buffer.alloc(LONGEST_LABEL);
  return {
    usersOf: (profiles) => usersOf(procRoot, profiles, buffer),
    isUser: ({ pid, tid }, profile) => {
      const labels = readLabels(join(procRoot, pid, 'task', tid), buffer);
      return labels === 'unreadable' || (labels !== 'gone' && labels.flatMap(rootsInLabel).includes(profile));
    },
  };
}

/** Bytes; a stack of names, each shorter than a page, fits many times. */
const LONGEST_LABEL = 64 * 1024;

/**
 * The reads are synchronous, since none waits for a disk. Measured: 3,000 processes with 4,500 threads take 0.3 s of one core, and
 * 0.4 s with folders listed once, by opendir, whose object for each folder costs more than to list it; by that, emulated nodes that were
 * short of processor time took 2 to 12 s. After so many tasks, 6 ms, others get their turn.
 */
const TASKS_AT_ONCE = 100;

async function usersOf(
  procRoot: string,
  profiles: ReadonlySet<string>,
  buffer: Buffer,
): Promise<ReadonlyMap<string, ProfileUsers>> {
  const before = threadsOf(procRoot);
  const found = new Map<string, ProfileUsers>([...profiles].map((name) => [name, { processes: 0, unreadable: 0 }]));
  let seen = 0;
  for (const pid of everyOneOf(() => numbersIn(procRoot))) {
    const process = new Map<string, Task>();
    let unreadable: Task | undefined;
    for (const tid of everyOneOf(() => tasksOf(procRoot, pid))) {
      seen += 1;
      if (seen % TASKS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
      const labels = readLabels(join(procRoot, pid, 'task', tid), buffer);
      if (labels === 'gone') continue;
      if (labels === 'unreadable') {
        unreadable ??= { pid, tid };
        continue;
      }
      for (const name of labels.flatMap(rootsInLabel)) {
        if (profiles.has(name) && !process.has(name)) process.set(name, { pid, tid });
      }
    }
    for (const [name, users] of found) count(users, process.get(name), unreadable);
  }
  mustBeAll(seen, Math.min(before, threadsOf(procRoot)), procRoot);
  return found;
}

/** Measured: not reached where a shell on each processor starts one process after the other. */
const MOST_LISTINGS = 20;

/**
 * Lists until there is none that it has not given: a process or a thread may start another and end before it is looked at, so a single
 * list could miss both. Throws where others come faster than they are looked at.
 */
function* everyOneOf(list: () => readonly string[]): Generator<string> {
  const given = new Set<string>();
  for (let listings = 0; listings < MOST_LISTINGS; listings += 1) {
    const others = list().filter((id) => !given.has(id));
    if (others.length === 0) return;
    for (const id of others) {
      given.add(id);
      yield id;
    }
  }
  throw new ProcessTableError('processes or threads start faster than they can be looked at');
}

function count(users: ProfileUsers, task: Task | undefined, unreadable: Task | undefined): void {
  if (task !== undefined) users.processes += 1;
  else if (unreadable !== undefined) users.unreadable += 1;
  const example = users.example ?? task ?? unreadable;
  if (example !== undefined) users.example = example;
}

/** Processes come and go while they are counted. */
const MOST_MISSED = { tasks: 50, part: 0.05 } as const;

/**
 * A /proc of another PID namespace, or one mounted with hidepid, shows few processes and no error. The kernel's own count of
 * threads, which is the same in every namespace, gives that away.
 */
function mustBeAll(seen: number, threads: number, procRoot: string): void {
  const missed = threads - seen;
  if (missed <= Math.max(MOST_MISSED.tasks, threads * MOST_MISSED.part)) return;
  throw new ProcessTableError(
    `${procRoot} shows ${seen} of the node's ${threads} threads: mount the host's /proc there, without hidepid`,
  );
}

/** `0.10 0.20 0.30 1/234 5678`: 234 threads. */
function threadsOf(procRoot: string): number {
  try {
    const threads = /^(?:\S+ ){3}\d+\/(\d+) /.exec(readFileSync(join(procRoot, 'loadavg'), 'latin1'))?.[1];
    if (threads !== undefined) return Number(threads);
  } catch (error) {
    throw new ProcessTableError(`${procRoot}/loadavg cannot be read (${errorCode(error)})`, { cause: error });
  }
  throw new ProcessTableError(`${procRoot}/loadavg does not say how many threads there are`);
}

/** A process that ends meanwhile has no tasks; one whose tasks may not be listed has itself as one that cannot be read. */
function tasksOf(procRoot: string, pid: string): readonly string[] {
  try {
    return numbersIn(join(procRoot, pid, 'task'));
  } catch (error) {
    if (!(error instanceof ProcessTableError)) throw error;
    return isGone(error.cause) ? [] : [pid];
  }
}

function numbersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /^\d+$/.test(name));
  } catch (cause) {
    throw new ProcessTableError(`${folder} cannot be listed (${errorCode(cause)})`, { cause });
  }
}

type Labels = readonly string[] | 'gone' | 'unreadable';

/** What the task runs under, and what it will run under from its next exec. */
function readLabels(task: string, buffer: Buffer): Labels {
  // Kernels before 5.8 have no folder of AppArmor's own.
  for (const folder of ['attr/apparmor', 'attr']) {
    const current = readLabel(join(task, folder, 'current'), buffer);
    if (current.kind === 'gone') continue;
    if (current.kind === 'unreadable') return 'unreadable';
    // EINVAL: none is set. By their source, kernels from 4.20 on answer for the reader, which has none, whatever task is asked
    // for; that a pod which is about to start a process refers to the profile is what the controller's grant looks at.
    const next = readLabel(join(task, folder, 'exec'), buffer);
    if (next.kind === 'label') return [current.label, next.label];
    return next.kind === 'gone' || next.code === 'EINVAL' ? [current.label] : 'unreadable';
  }
  return 'gone';
}

type Answer = { kind: 'label'; label: string } | { kind: 'gone' } | { kind: 'unreadable'; code: string };

function readLabel(path: string, buffer: Buffer): Answer {
  try {
    const file = openSync(path, 'r');
    try {
      return { kind: 'label', label: buffer.toString('utf8', 0, readSync(file, buffer)) };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return isGone(error) ? { kind: 'gone' } : { kind: 'unreadable', code: errorCode(error) };
  }
}

/** The two answers for a task that has ended. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes(errorCode(error));
}
