import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface LimitedCommand {
  command: string;
  args: readonly string[];
  folder: string;
  environment: Readonly<Record<string, string>>;
  wallClockMs: number;
  /** Of standard output; reaching it ends the process. Standard error is cut at {@link MOST_ERROR_BYTES} instead. */
  outputBytes: number;
  signal?: AbortSignal;
}

export interface LimitedRun {
  /** `exit`: by itself or by a signal that is not ours. */
  ended: 'exit' | 'timeout' | 'output-limit' | 'aborted';
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

/** The parser's first complaint is the useful one; a hostile text can make it write for ever. */
export const MOST_ERROR_BYTES = 64 * 1024;

/**
 * Runs a command in a process group of its own, without a shell and without standard input, and returns only when it and
 * every process it started have ended: apparmor_parser forks workers, which outlive their parent when that alone is killed
 * (measured). Rejects with the system's error if the command cannot be started.
 */
export function runLimited(command: LimitedCommand): Promise<LimitedRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.command, command.args, {
      cwd: command.folder,
      env: command.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let ended: LimitedRun['ended'] = 'exit';
    const end = (reason: LimitedRun['ended']): void => {
      if (ended === 'exit') ended = reason;
      killGroup(child);
    };
    const timer = setTimeout(() => end('timeout'), command.wallClockMs);
    const abort = (): void => end('aborted');
    const release = (): void => {
      clearTimeout(timer);
      command.signal?.removeEventListener('abort', abort);
    };
    command.signal?.addEventListener('abort', abort, { once: true });
    if (command.signal?.aborted === true) abort();

    const stdout = collect(child.stdout, command.outputBytes, () => end('output-limit'));
    const stderr = collect(child.stderr, MOST_ERROR_BYTES, () => {});
    child.once('error', (error) => {
      release();
      reject(error);
    });
    // What is left of the group holds the pipes open, and `close` waits for these.
    child.once('exit', () => killGroup(child));
    child.once('close', (code, signal) => {
      release();
      resolve({ ended, code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') });
    });
  });
}

function killGroup(child: ChildProcessByStdio<null, Readable, Readable>): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Keeps the first `limit` bytes, and reads on so that the writer is never stuck. */
function collect(stream: Readable, limit: number, onLimit: () => void): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    const room = limit - size;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    size += chunk.length;
    if (chunk.length > room) onLimit();
  });
  return chunks;
}
