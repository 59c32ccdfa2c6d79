import { chmod, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
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
  /** Resolves when it is on the disk, or known not to be. */
  writeLedger(ledger: Ledger): Promise<void>;
  readLastKnown(): Promise<LastKnown | undefined>;
  writeLastKnown(lastKnown: LastKnown): Promise<void>;
  /** Runs a write of another file of the folder; false if it failed. */
  attempt(what: string, write: () => Promise<void>): Promise<boolean>;
  trouble(): StateTrouble | undefined;
}

export interface StateTrouble {
  reason: 'StateFolderUnusable' | 'StateFileSetAside';
  message: string;
}

export interface StateFolderOptions {
  folder: string;
  node: string;
  log: Logger;
}

export function openStateFolder({ folder, node, log }: StateFolderOptions): StateFolder {
  /** By file: why its last write failed. */
  const failed = new Map<string, string>();
  const setAside: string[] = [];

  const attempt = async (what: string, write: () => Promise<void>): Promise<boolean> => {
    try {
      await mkdir(folder, { recursive: true });
      // The kubelet makes it readable for everybody on the node; the policies in it are nobody else's business.
      await chmod(folder, 0o700);
      await write();
      if (failed.delete(what)) log.info('the state folder can be written again', { what });
      return true;
    } catch (error) {
      if (!failed.has(what)) log.error('the state folder cannot be written', { what, folder, error });
      failed.set(what, errorCode(error));
      return false;
    }
  };

  const read = async <T>(name: string, decode: (text: string) => T): Promise<T | undefined> => {
    const path = join(folder, name);
    try {
      return decode(await readFile(path, 'utf8'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      log.error('a file of the state folder is not used', { path, error });
      if (!(error instanceof StateFileError)) {
        failed.set(name, errorCode(error));
        return undefined;
      }
      setAside.push(name);
      // Kept for whoever wants to know what happened; the name is no longer one that is read.
      await attempt(`${name} aside`, () => rename(path, `${path}.damaged`));
      return undefined;
    }
  };

  return {
    attempt,
    readLedger: async () => (await read(LEDGER, (text) => decodeLedger(text, node))) ?? EMPTY_LEDGER,
    writeLedger: async (ledger) => {
      await attempt(LEDGER, () => writeFileAtomically(join(folder, LEDGER), encodeLedger(ledger, node)));
    },
    readLastKnown: () => read(LAST_KNOWN, (text) => decodeLastKnown(text, node)),
    writeLastKnown: async (lastKnown) => {
      await attempt(LAST_KNOWN, () => writeFileAtomically(join(folder, LAST_KNOWN), encodeLastKnown(lastKnown, node)));
    },
    trouble: () => troubleOf(folder, failed, setAside),
  };
}

const LEDGER = 'ledger.json';
const LAST_KNOWN = 'last-known.json';

function troubleOf(
  folder: string,
  failed: ReadonlyMap<string, string>,
  setAside: readonly string[],
): StateTrouble | undefined {
  if (failed.size > 0) {
    const codes = [...new Set(failed.values())].join(', ');
    return {
      reason: 'StateFolderUnusable',
      message: `${folder} on the node cannot be used (${codes}): policies are loaded, but after a reboot not before the API server answers; make the folder writable and free space there`,
    };
  }
  if (setAside.length === 0) return undefined;
  return {
    reason: 'StateFileSetAside',
    message: `${setAside.join(', ')} in ${folder} was damaged, renamed to *.damaged and rebuilt; what the kernel held was adopted. Restart the agent's pod to clear this message`,
  };
}
