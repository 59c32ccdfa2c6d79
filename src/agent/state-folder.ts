import { chmod, mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorCode } from '../kernel/error-code.ts';
import type { Logger } from '../log.ts';
import { writeFileAtomically } from './atomic-file.ts';
import { decodeLedger, EMPTY_LEDGER, encodeLedger } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import { decodeLastKnown, encodeLastKnown } from './last-known.ts';
import type { LastKnown } from './last-known.ts';
import { StateFileError } from './state-file.ts';

/**
 * What the agent remembers on the node. No method throws because of the folder: without it the agent loads and reports all
 * the same, and says in `trouble` what is wrong.
 */
export interface StateFolder {
  readLedger(): Promise<Ledger>;
  /** Resolves true when it is on the disk, false if it cannot be written. */
  writeLedger(ledger: Ledger): Promise<boolean>;
  readLastKnown(): Promise<LastKnown | undefined>;
  writeLastKnown(lastKnown: LastKnown): Promise<void>;
  /**
   * Runs a write of another file, `file`, in this folder or one below it, which is made if need be; false if it failed. Then
   * `check` tries it again, unless there was another write of the file since.
   */
  attempt(file: string, write: () => Promise<void>): Promise<boolean>;
  /** Nobody needs the file any more: what failed is not tried again. */
  abandon(file: string): void;
  /**
   * Tries again what failed, and writes again what was deleted. Resolves `lost` if all was, so that what others keep in the
   * folder has to be made anew. Cheap while all is well: asks after one file.
   */
  check(): Promise<'kept' | 'lost'>;
  trouble(): StateTrouble | undefined;
}

export interface StateTrouble {
  reason: 'StateFolderUnusable' | 'StateFileSetAside' | 'StateFolderLost';
  message: string;
}

export interface StateFolderOptions {
  folder: string;
  node: string;
  log: Logger;
}

export function openStateFolder({ folder, node, log }: StateFolderOptions): StateFolder {
  /** By file: why its last write failed, and the write. */
  const failed = new Map<string, { code: string; write: () => Promise<void> }>();
  /** By file: the write of what this agent knows to be in it. */
  const kept = new Map<string, () => Promise<void>>();
  /** Files that were written or read, and should therefore be there. */
  const onDisk = new Set<string>();
  const setAside: string[] = [];
  let wasLost = false;
  let isGone = false;
  let identity: string | undefined;
  /** Folders that are there: making them for every write would cost more than writing. */
  const prepared = new Set<string>();

  const prepare = async (parent: string): Promise<void> => {
    await mkdir(parent, { recursive: true, mode: 0o700 });
    // The kubelet makes it readable for everybody on the node; the policies in it are nobody else's business.
    await chmod(folder, 0o700);
    prepared.add(parent);
  };

  const writeInto = async (parent: string, write: () => Promise<void>): Promise<void> => {
    if (!prepared.has(parent)) await prepare(parent);
    try {
      await write();
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
      // Deleted since.
      await prepare(parent);
      await write();
    }
  };

  const attempt = async (file: string, write: () => Promise<void>): Promise<boolean> => {
    try {
      await writeInto(dirname(resolve(folder, file)), write);
      identity ??= await identify(folder);
      if (failed.delete(file)) log.info('a file of the state folder can be written again', { file });
      return true;
    } catch (error) {
      prepared.clear();
      if (!failed.has(file)) log.error('a file of the state folder cannot be written', { file, folder, error });
      failed.set(file, { code: errorCode(error), write });
      return false;
    }
  };

  const keep = (name: string, text: string): (() => Promise<void>) => {
    const write = async (): Promise<void> => {
      await writeFileAtomically(join(folder, name), text);
      onDisk.add(name);
    };
    kept.set(name, write);
    return write;
  };

  const read = async <T>(name: string, decode: (text: string) => T): Promise<T | undefined> => {
    const path = join(folder, name);
    try {
      const text = await readFile(path, 'utf8');
      const decoded = decode(text);
      keep(name, text);
      onDisk.add(name);
      identity ??= await identify(folder);
      return decoded;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      log.error('a file of the state folder is not used', { path, error });
      if (!(error instanceof StateFileError)) {
        failed.set(name, { code: errorCode(error), write: () => unreadable(error) });
        return undefined;
      }
      setAside.push(name);
      // Kept for whoever wants to know what happened; the name is no longer one that is read.
      await attempt(name, () => rename(path, `${path}.damaged`));
      return undefined;
    }
  };

  /** Another folder of the same name may hold what was written since. */
  const isMissing = async (): Promise<boolean> => {
    const [file] = onDisk;
    if (file === undefined) return false;
    try {
      await stat(join(folder, file));
      return (await identify(folder)) !== identity;
    } catch (error) {
      return ['ENOENT', 'ENOTDIR'].includes(errorCode(error));
    }
  };

  return {
    attempt,
    abandon: (file) => void failed.delete(file),
    async check() {
      isGone ||= await isMissing();
      if (isGone) prepared.clear();
      const again = isGone ? kept : new Map<string, () => Promise<void>>();
      for (const [file, write] of again) await attempt(file, write);
      for (const [file, { write }] of failed) if (!again.has(file)) await attempt(file, write);
      // While it cannot be written, making the rest anew would be in vain.
      if (!isGone || [...kept.keys()].some((file) => failed.has(file))) return 'kept';
      log.error('the state folder was deleted; what was in it is made anew', { folder });
      wasLost = true;
      isGone = false;
      identity = await identify(folder).catch(() => undefined);
      return 'lost';
    },
    readLedger: async () => (await read(LEDGER, (text) => decodeLedger(text, node))) ?? EMPTY_LEDGER,
    writeLedger: (ledger) => attempt(LEDGER, keep(LEDGER, encodeLedger(ledger, node))),
    readLastKnown: () => read(LAST_KNOWN, (text) => decodeLastKnown(text, node)),
    async writeLastKnown(lastKnown) {
      await attempt(LAST_KNOWN, keep(LAST_KNOWN, encodeLastKnown(lastKnown, node)));
    },
    trouble: () => troubleOf(folder, { failed, setAside, wasLost }),
  };
}

/** A file system gives the number of a deleted folder to the next one. */
async function identify(folder: string): Promise<string> {
  const { ino, birthtimeMs } = await stat(folder);
  return `${ino} of ${birthtimeMs}`;
}

/** What cannot be read is not written over before there is something to write. */
function unreadable(error: unknown): Promise<never> {
  return Promise.reject(error instanceof Error ? error : new Error(String(error)));
}

const LEDGER = 'ledger.json';
const LAST_KNOWN = 'last-known.json';

function troubleOf(
  folder: string,
  {
    failed,
    setAside,
    wasLost,
  }: { failed: ReadonlyMap<string, { code: string }>; setAside: readonly string[]; wasLost: boolean },
): StateTrouble | undefined {
  if (failed.size > 0) {
    const codes = [...new Set([...failed.values()].map(({ code }) => code))].join(', ');
    return {
      reason: 'StateFolderUnusable',
      message: `${folder} on the node cannot be used (${codes}): policies are loaded, but after a reboot not before the API server answers; make the folder writable and free space there`,
    };
  }
  const restart = "Restart the agent's pod to clear this message";
  if (setAside.length > 0) {
    return {
      reason: 'StateFileSetAside',
      message: `${setAside.join(', ')} in ${folder} was damaged, renamed to *.damaged and rebuilt; what the kernel held was adopted. ${restart}`,
    };
  }
  if (!wasLost) return undefined;
  return {
    reason: 'StateFolderLost',
    message: `${folder} was deleted while the agent ran, and was made anew. ${restart}`,
  };
}
