import fs from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { setImmediate } from 'node:timers/promises';

/** One call of node:fs/promises, or of a file that it opened. */
export interface FileStep {
  operation: string;
  path: string;
}

export interface InterceptedFiles {
  /** Puts node:fs/promises back as it was, and closes what is open. */
  release(): Promise<void>;
  /** The same once what is under way on the disk is done, and whoever waits for that stands still for ever, too. */
  kill(): Promise<void>;
}

/** Of the event loop, and more than enough: between two steps there is little but computing. */
const TURNS_BETWEEN_STEPS = 20;

const OPERATIONS = ['chmod', 'mkdir', 'open', 'readdir', 'readFile', 'rename', 'rm', 'stat', 'unlink'] as const;

/**
 * Has `before` run, and awaited, before each file operation below a folder. What it throws the operation throws; if it never
 * resolves, the caller stands still there for ever, as if it had been killed: none of its code runs any more. A write that never
 * comes has left half its bytes. Nothing is synced to the disk.
 */
export function interceptFiles(folder: string, before: (step: FileStep) => Promise<void>): InterceptedFiles {
  const functions: Record<string, unknown> = fs;
  const originals = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  /** With what closes them. */
  const opened = new Map<FileHandle, () => Promise<void>>();
  const underWay = new Set<Promise<unknown>>();
  let killed = false;

  const unlessKilled = async <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work);
    try {
      return await work;
    } finally {
      underWay.delete(work);
      if (killed) await new Promise(() => undefined);
    }
  };

  const wrapHandle = (handle: FileHandle, path: string): FileHandle => {
    const writeFile = handle.writeFile.bind(handle);
    const close = handle.close.bind(handle);
    opened.set(handle, close);
    handle.writeFile = async (data, ...rest) => {
      const bytes = Buffer.from(data as string | Buffer);
      await unlessKilled(handle.write(bytes.subarray(0, bytes.length / 2)));
      await before({ operation: 'write', path });
      await unlessKilled(writeFile(bytes.subarray(bytes.length / 2), ...rest));
    };
    // Nothing here outlives a power cut, and a busy disk takes a second for it.
    handle.sync = () => before({ operation: 'sync', path });
    handle.close = async () => {
      opened.delete(handle);
      await unlessKilled(close());
    };
    return handle;
  };

  for (const operation of OPERATIONS) {
    const original = functions[operation] as (...args: unknown[]) => Promise<unknown>;
    originals.set(operation, original);
    functions[operation] = async (...args: unknown[]): Promise<unknown> => {
      const path = String(args[0]);
      if (!path.startsWith(folder)) return original(...args);
      if (killed) await new Promise(() => undefined);
      await before({ operation, path });
      const done = original(...args);
      return unlessKilled(operation === 'open' ? done.then((file) => wrapHandle(file as FileHandle, path)) : done);
    };
  }
  syncBuiltinESMExports();
  const release = async (): Promise<void> => {
    for (const [operation, original] of originals) functions[operation] = original;
    syncBuiltinESMExports();
    for (const close of opened.values()) await close();
  };
  return {
    release,
    async kill() {
      killed = true;
      // What goes on beside what was stopped comes to its next step and stands still there, not after the functions are back as they were.
      do {
        await Promise.allSettled(underWay);
        for (let turn = 0; turn < TURNS_BETWEEN_STEPS; turn++) await setImmediate();
      } while (underWay.size > 0);
      await release();
    },
  };
}
