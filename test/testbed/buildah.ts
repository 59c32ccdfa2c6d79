import { join } from 'node:path';

import type { Cache } from './cache.ts';
import { type CommandResult, run, withSignal } from './process.ts';

/** Where buildah keeps images: a folder of our own, so that the machine's are neither seen nor changed. */
export interface ImageStorage {
  root: string;
}

export function storageIn(root: string): ImageStorage {
  return { root };
}

/** Storage driver `vfs` and chroot isolation work where neither overlay mounts nor user namespaces do. */
export async function buildah(cache: Cache, storage: ImageStorage, args: readonly string[]): Promise<CommandResult> {
  const folders = ['--root', join(storage.root, 'images'), '--runroot', join(storage.root, 'run')];
  return run('buildah', [...folders, '--storage-driver', 'vfs', ...args], withSignal(cache));
}
