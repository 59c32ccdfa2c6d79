import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { cpioArchive, type CpioEntry } from './cpio.ts';

/** What a disk needs before the root file system with all other modules is there. */
const diskModules = ['virtio_pci', 'virtio_blk', 'ext4'];

/**
 * Packs the initial root file system of a test node: busybox, the modules for its disk and guest/initrd-init. 1 MB,
 * where the distribution's own has 30 and starts udev.
 */
export async function packInitrd(root: string, release: string): Promise<Buffer> {
  const modules = join(root, 'usr/lib/modules', release);
  const order = loadOrder(await readFile(join(modules, 'modules.dep'), 'utf8'), diskModules);
  const files = await Promise.all(
    order.map(async (path, index) => ({
      path: `modules/${String(index).padStart(2, '0')}-${basename(path)}`,
      mode: 0o100644,
      content: await readFile(join(modules, path)),
    })),
  );
  const folders: CpioEntry[] = ['bin', 'dev', 'modules', 'root'].map((path) => ({ path, mode: 0o040755 }));
  return cpioArchive([
    ...folders,
    { path: 'bin/busybox', mode: 0o100755, content: await readFile(join(root, 'usr/bin/busybox')) },
    { path: 'bin/sh', mode: 0o120777, content: Buffer.from('busybox') },
    { path: 'init', mode: 0o100755, content: await readFile(join(import.meta.dirname, 'guest/initrd-init')) },
    ...files,
  ]);
}

/** Module files in the order in which insmod can load them. Modules that are not listed are built into the kernel. */
export function loadOrder(modulesDep: string, wanted: readonly string[]): string[] {
  const dependencies = new Map<string, string[]>();
  for (const line of modulesDep.split('\n')) {
    const [path, list = ''] = line.split(':');
    if (path) dependencies.set(path, list.split(' ').filter(Boolean));
  }
  const order = new Set<string>();
  const add = (path: string) => {
    // modules.dep lists the direct and indirect dependencies, the one to load first at the end.
    for (const needed of (dependencies.get(path) ?? []).toReversed()) order.add(needed);
    order.add(path);
  };
  for (const name of wanted) {
    const path = [...dependencies.keys()].find((file) => moduleName(file) === name);
    if (path) add(path);
  }
  return [...order];
}

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}
