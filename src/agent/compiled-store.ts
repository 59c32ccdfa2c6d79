import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../log.ts';
import { writeFileAtomically } from './atomic-file.ts';
import { deleteOthers } from './revision-store.ts';
import type { StateFolder } from './state-folder.ts';
import { createWriteQueue } from './write-queue.ts';

/** Compiled policies by fingerprint. The file's name holds the hash of its bytes, so that no damaged one is ever loaded. */
export interface CompiledStore {
  /** What is stored for a fingerprint; undefined if nothing whole is. */
  find(fingerprint: string): Promise<StoredPolicy | undefined>;
  /** Resolves when it can be read here; `written` tells when the next process can, too. */
  save(fingerprint: string, binary: Buffer): Promise<CompiledHashes>;
  /** Resolves when all that was saved is on the disk, or could not be written. */
  written(): Promise<void>;
  /** undefined if it is gone or not whole: compile again. */
  read(fingerprint: string, sha256: string): Promise<Buffer | undefined>;
  /** Deletes all others. */
  keepOnly(policies: readonly { fingerprint: string; sha256: string }[]): Promise<void>;
}

/** Hex, of the bytes. */
export interface CompiledHashes {
  sha256: string;
  /** For kernels before 6.8, which show no other hash of what was written to them. */
  sha1: string;
}

export interface StoredPolicy extends CompiledHashes {
  binary: Buffer;
}

export interface CompiledStoreOptions {
  folder: string;
  state: StateFolder;
  log: Logger;
}

export function openCompiledStore({ folder, state, log }: CompiledStoreOptions): CompiledStore {
  /** Only what is not written yet, or could not be, by file name. */
  const inMemory = new Map<string, Buffer>();
  /** Saved, and not asked to be kept yet: who calls `keepOnly` may not know of them. */
  const fresh = new Set<string>();
  const writes = createWriteQueue();

  const read = async (fingerprint: string, sha256: string): Promise<Buffer | undefined> => {
    const file = fileOf(fingerprint, sha256);
    const binary = inMemory.get(file) ?? (await readFile(join(folder, file)).catch(() => undefined));
    if (binary === undefined) return undefined;
    if (hashOf('sha256', binary) === sha256) return binary;
    log.warn('a stored compiled policy is damaged and will be compiled again', { file });
    return undefined;
  };

  return {
    read,
    async find(fingerprint) {
      const onDisk = await readdir(folder).catch(() => []);
      for (const file of [...inMemory.keys(), ...onDisk]) {
        const sha256 = hashInName(file, fingerprint);
        const binary = sha256 === undefined ? undefined : await read(fingerprint, sha256);
        if (sha256 !== undefined && binary !== undefined) return { ...hashesOf(binary), binary };
      }
      return undefined;
    },
    async save(fingerprint, binary) {
      const hashes = hashesOf(binary);
      const file = fileOf(fingerprint, hashes.sha256);
      fresh.add(file);
      inMemory.set(file, binary);
      const write = async (): Promise<void> => {
        await writeFileAtomically(join(folder, file), binary);
        inMemory.delete(file);
      };
      await writes.add(() => state.attempt(join(folder, file), write));
      return hashes;
    },
    written: () => writes.ended(),
    async keepOnly(policies) {
      const kept = new Set(policies.map(({ fingerprint, sha256 }) => fileOf(fingerprint, sha256)));
      for (const file of kept) fresh.delete(file);
      for (const file of fresh) kept.add(file);
      for (const file of inMemory.keys()) {
        if (kept.has(file)) continue;
        inMemory.delete(file);
        state.abandon(join(folder, file));
      }
      await deleteOthers(folder, kept, state);
    },
  };
}

function fileOf(fingerprint: string, sha256: string): string {
  return `${fingerprint}-${sha256}.bin`;
}

function hashInName(file: string, fingerprint: string): string | undefined {
  const hash = file.slice(fingerprint.length + 1, -'.bin'.length);
  return file === fileOf(fingerprint, hash) ? hash : undefined;
}

function hashesOf(binary: Buffer): CompiledHashes {
  return { sha256: hashOf('sha256', binary), sha1: hashOf('sha1', binary) };
}

function hashOf(algorithm: 'sha256' | 'sha1', binary: Buffer): string {
  return createHash(algorithm).update(binary).digest('hex');
}
