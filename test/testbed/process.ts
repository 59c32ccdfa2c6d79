import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessOptions {
  /** What messages call the process; default: the command's file name. */
  name?: string;
  cwd?: string;
  /** Added to this process's own environment. */
  env?: Readonly<Record<string, string>>;
  /** Both outputs are appended to this file; otherwise they are read by this process. */
  logFile?: string;
  /** When it aborts, the process group is stopped. */
  signal?: AbortSignal;
  /** How long SIGTERM may take before SIGKILL; default 10,000 ms. */
  graceMs?: number;
  /** Called with each piece of output as it comes; not with `logFile`. */
  onOutput?: (text: string) => void;
}

export interface ProcessExit {
  /** null when a signal ended it or it could not be started. */
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A child that lives until it ends by itself, `stop()` is called or this process dies, whichever is first. */
export interface OwnedProcess {
  name: string;
  pid: number | undefined;
  /** Never rejects. */
  exited: Promise<ProcessExit>;
  running: () => boolean;
  /** The last 4 KiB of what it wrote to stderr (or to the log file). */
  outputTail: () => string;
  /** Ends the process and everything in its group; resolves once it is gone. May be called again. */
  stop: () => Promise<void>;
}

/**
 * Starts a long-running child, without a shell, in a process group of its own.
 *
 * The kernel kills the child when this process dies, however it dies (`setpriv --pdeathsig`), so a crashed or killed
 * run leaves nothing behind. Children of the child are ended by `stop()` only.
 */
export function start(command: string, args: readonly string[], options: ProcessOptions = {}): OwnedProcess {
  const tail = createTail();
  const { child, exited, stop } = launch(command, args, options, 'ignore');
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail.add(text);
      options.onOutput?.(text);
    });
  }
  return {
    name: options.name ?? basename(command),
    pid: child.pid,
    exited,
    running: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
    outputTail: () => (options.logFile === undefined ? tail.text() : fileTail(options.logFile)),
    stop,
  };
}

export interface RunOptions extends ProcessOptions {
  input?: string | Buffer;
  /** Exit codes besides 0 that are not an error; 'any' accepts all (not signals). */
  accept?: readonly number[] | 'any';
  /** SIGTERM, then SIGKILL after `graceMs`; default: no limit. */
  timeoutMs?: number;
}

export interface CommandResult {
  stdout: string;
  stderr: string;
  code: number;
}

/** Runs a command to its end, without a shell. Throws CommandError unless it exits with 0 or an accepted code. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const timeout = options.timeoutMs === undefined ? [] : [AbortSignal.timeout(options.timeoutMs)];
  const signal = AbortSignal.any([...(options.signal === undefined ? [] : [options.signal]), ...timeout]);
  signal.throwIfAborted();
  const { child, exited, closed } = launch(command, args, { ...options, signal }, 'pipe');
  const stdout = collect(child.stdout, options.onOutput);
  const stderr = collect(child.stderr, options.onOutput);
  // A child that ends without reading its input is judged by its exit code, not by our broken pipe.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  const exit = await exited;
  await closed;
  const result = { stdout: stdout(), stderr: stderr() };
  const accepted = options.accept === 'any' ? exit.code !== null : (options.accept ?? []).includes(exit.code ?? -1);
  if (exit.code !== null && (exit.code === 0 || accepted)) return { ...result, code: exit.code };
  const output = options.logFile === undefined ? result.stderr || result.stdout : fileTail(options.logFile);
  const reason: unknown = signal.aborted ? signal.reason : undefined;
  throw new CommandError(options.name ?? basename(command), [command, ...args], exit, output, reason);
}

export class CommandError extends Error {
  readonly command: readonly string[];
  readonly exit: ProcessExit;
  readonly output: string;

  constructor(name: string, command: readonly string[], exit: ProcessExit, output: string, cause: unknown) {
    const end = exit.code === null ? `was ended by ${exit.signal ?? 'a failed start'}` : `exited with ${exit.code}`;
    super([`${name} ${end}: ${command.join(' ').slice(0, 500)}`, lastText(output)].join('\n').trim(), { cause });
    this.name = 'CommandError';
    this.command = command;
    this.exit = exit;
    this.output = output;
  }
}

export interface WaitOptions {
  deadlineMs: number;
  /** Default 100 ms. */
  intervalMs?: number;
  signal?: AbortSignal;
  /** Waiting ends with an error as soon as one of these has ended. */
  processes?: readonly OwnedProcess[];
}

/**
 * Asks `condition` again and again until it returns something else than undefined or false, and returns that.
 * A condition that throws counts as not met. Throws WaitError at the deadline, with the last error as its cause, or
 * when a process that is needed for it has ended; the signal's reason when that aborts.
 */
export async function waitFor<T>(
  what: string,
  options: WaitOptions,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const started = performance.now();
  let lastError: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      lastError = error;
    }
    const dead = options.processes?.find((process) => !process.running());
    if (dead !== undefined) {
      const exit = await dead.exited;
      const end = exit.code === null ? `ended by ${exit.signal ?? 'a failed start'}` : `exited with ${exit.code}`;
      throw new WaitError(`waiting for ${what}: ${dead.name} ${end}\n${dead.outputTail()}`, lastError);
    }
    const elapsed = performance.now() - started;
    if (elapsed >= options.deadlineMs) {
      const reason = lastError instanceof Error ? `: ${lastError.message}` : '';
      throw new WaitError(`${what}: not within ${Math.round(options.deadlineMs / 1000)} s${reason}`, lastError);
    }
    const pause = Math.min(options.intervalMs ?? 100, options.deadlineMs - elapsed);
    await sleep(pause, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

export class WaitError extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'WaitError';
  }
}

/** The signal as a member to spread, where `undefined` may not stand for an absent one. */
export function withSignal(o: { signal?: AbortSignal }): { signal?: AbortSignal } {
  return o.signal === undefined ? {} : { signal: o.signal };
}

/** A signal for mains: aborts at the first SIGINT, SIGTERM or SIGHUP. The main then stops what it owns and exits. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      controller.abort(new InterruptedError(name));
    });
  }
  return controller.signal;
}

export class InterruptedError extends Error {
  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.name = 'InterruptedError';
  }
}

/** Ends everything that was added, the latest first, even when some of it fails; throws what failed afterwards. */
export interface Owner {
  add: (stop: () => Promise<unknown>) => void;
  stop: () => Promise<void>;
}

export function createOwner(): Owner {
  const stops: (() => Promise<unknown>)[] = [];
  return {
    add: (stop) => {
      stops.push(stop);
    },
    stop: async () => {
      const errors: unknown[] = [];
      for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) {
        await stop().catch((error: unknown) => errors.push(error));
      }
      if (errors.length > 0) throw new AggregateError(errors, `stopping failed: ${errors.map(String).join('; ')}`);
    },
  };
}

interface Launched {
  child: ChildProcess;
  exited: Promise<ProcessExit>;
  /** Resolves when the outputs are closed too. */
  closed: Promise<void>;
  stop: () => Promise<void>;
}

function launch(command: string, args: readonly string[], options: ProcessOptions, stdin: 'ignore' | 'pipe'): Launched {
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
    detached: true,
    stdio: [stdin, log ?? 'pipe', log ?? 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  if (log !== undefined) closeSync(log);

  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => {
      // What it left behind in its group would otherwise hold our pipes open.
      signalGroup(child.pid, 'SIGKILL');
      resolve({ code, signal });
    });
  });
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    signalGroup(child.pid, 'SIGTERM');
    const kill = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), options.graceMs ?? 10_000);
    await exited;
    clearTimeout(kill);
  };
  const onAbort = (): void => void stop();
  if (options.signal?.aborted === true) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  void exited.then(() => options.signal?.removeEventListener('abort', onAbort));
  return { child, exited, closed, stop };
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the group has ended already.
  }
}

function collect(stream: ChildProcess['stdout'], onOutput: ((text: string) => void) | undefined): () => string {
  const pieces: string[] = [];
  stream?.setEncoding('utf8').on('data', (text: string) => {
    pieces.push(text);
    onOutput?.(text);
  });
  return () => pieces.join('');
}

const tailLength = 4096;

function createTail(): { add(text: string): void; text(): string } {
  let kept = '';
  return {
    add: (text) => {
      kept = (kept + text).slice(-tailLength);
    },
    text: () => kept,
  };
}

function fileTail(path: string): string {
  try {
    return lastText(readFileSync(path, 'utf8'));
  } catch {
    return '';
  }
}

function lastText(output: string): string {
  return output.slice(-tailLength).trim();
}
