import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { cached, type Cache } from './cache.ts';
import { run, withSignal } from './process.ts';
import type { MachineImage } from './rootfs.ts';
import type { Hardware } from './vm.ts';

/** What guest/initrd-init says when it finds no disk: proof that kernel and initrd have run. */
const proof = 'testbed: no root file system';

/**
 * KVM where it really boots our kernel, otherwise emulation. There are machines with a para-virtual /dev/kvm on which
 * a stock kernel hangs, so it is tried, once per machine.
 */
export async function detectAccelerator(cache: Cache, image: MachineImage): Promise<Accelerator> {
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!usable) return emulation;
  const [kernel, cpuinfo] = await Promise.all(['/proc/version', '/proc/cpuinfo'].map((path) => readFile(path, 'utf8')));
  const processor = processorModel(cpuinfo ?? '');
  const folder = await cached(cache, {
    name: 'accelerator',
    key: [image.kernel, kernel ?? '', processor],
    build: async (folder) => {
      await writeFile(join(folder, 'accelerator'), (await bootsWithKvm(cache, image)) ? 'kvm' : 'tcg');
    },
  });
  const found = await readFile(join(folder, 'accelerator'), 'utf8');
  return found === 'kvm' ? { accelerator: 'kvm', processor } : emulation;
}

export type Accelerator = Pick<Hardware, 'accelerator' | 'processor'>;

/** Where the processor says that `rep movsb` is fast, kernel and libc copy with it, and emulation goes byte by byte. */
const emulation: Accelerator = { accelerator: 'tcg', processor: 'max,-erms,-fsrm' };

/** The model of the first processor: a machine saved on the host's own processor can only be restored on the same. */
export function processorModel(cpuinfo: string): string {
  return /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
}

async function bootsWithKvm(cache: Cache, image: MachineImage): Promise<boolean> {
  const options: (readonly string[])[] = [
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', 'pc'],
    ['-accel', 'kvm', '-cpu', 'host'],
    ['-m', '512'],
    ['-kernel', image.kernel, '-initrd', image.initrd, '-append', 'console=ttyS0 quiet panic=-1'],
    ['-serial', 'stdio'],
  ];
  try {
    const limits = { timeoutMs: 20_000, graceMs: 1000, ...withSignal(cache) };
    const { stdout } = await run('qemu-system-x86_64', options.flat(), { ...limits, accept: 'any' });
    return stdout.includes(proof);
  } catch {
    cache.signal?.throwIfAborted();
    return false;
  }
}
