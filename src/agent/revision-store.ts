import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RevisionContent } from '../api/revision.ts';
import { errorCode } from '../kernel/error-code.ts';
import type { Logger } from '../log.ts';
import { isUnfinished, writeFileAtomically } from './atomic-file.ts';
import { readContent } from './revision-content.ts';
import type { RevisionHead } from './revision-content.ts';
import { decodeStateFile, encodeStateFile } from './state-file.ts';
import type { StateFolder } from './state-folder.ts';
import { createWriteQueue } from './write-queue.ts';

/** The texts of revisions, kept so that each crosses the wire once per node. */
export interface RevisionStore {
  /** undefined if it is not there, or not whole: fetch it. */
  read(head: RevisionHead): Promise<RevisionContent | undefined>;
  /** Resolves when it can be read here; `written` tells when the next process can, too. */
  save(head: RevisionHead, content: RevisionContent): Promise<void>;
  /** Resolves when all that was saved is on the disk, or could not be written. */
  written(): Promise<void>;
  /** Deletes all others. */
  keepOnly(names: ReadonlySet<string>): Promise<void>;
}

export interface RevisionStoreOptions {
  folder: string;
  node: string;
  state: StateFolder;
  log: Logger;
}

export function openRevisionStore({ folder, node, state, log }: RevisionStoreOptions): RevisionStore {
  /** Only what is not written yet, or could not be. */
  const inMemory = new Map<string, RevisionContent>();
  const writes = createWriteQueue();
  const pathOf = (name: string): string => join(folder, fileOf(name));

  return {
    async read(head) {
      const held = inMemory.get(head.name);
      if (held !== undefined) return held;
      try {
        return readContent(head, decodeStateFile('revision', node, await readFile(pathOf(head.name), 'utf8')));
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') log.warn('a stored revision is not used', { revision: head.name, error });
        return undefined;
      }
    },
    async save(head, content) {
      inMemory.set(head.name, content);
      const write = async (): Promise<void> => {
        await writeFileAtomically(pathOf(head.name), encodeStateFile('revision', node, content));
        inMemory.delete(head.name);
      };
      await writes.add(() => state.attempt(pathOf(head.name), write));
    },
    written: () => writes.ended(),
    async keepOnly(names) {
      for (const name of inMemory.keys()) {
        if (names.has(name)) continue;
        inMemory.delete(name);
        state.abandon(pathOf(name));
      }
      await deleteOthers(folder, new Set([...names].map(fileOf)), state);
    },
  };
}

/**
 * Deletes the files of a folder that nobody needs, but none that is being written; what cannot be deleted now is tried next
 * time.
 */
export async function deleteOthers(folder: string, kept: ReadonlySet<string>, state: StateFolder): Promise<void> {
  const files = await readdir(folder).catch(() => []);
  for (const file of files) {
    if (kept.has(file) || isUnfinished(file)) continue;
    const path = join(folder, file);
    await state.attempt(path, () => rm(path, { force: true }));
  }
}

/** Names of ControllerRevisions may have 253 characters, which leaves no room for an extension. */
function fileOf(name: string): string {
  return `${createHash('sha256').update(name).digest('hex')}.json`;
}
