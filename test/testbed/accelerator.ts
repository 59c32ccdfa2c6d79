import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { cached, type Cache } from './cache.ts';
import { run } from './process.ts';
import type { MachineImage } from './rootfs.ts';
import { withSignal } from './rootfs.ts';
import type { Hardware } from './vm.ts';

/** What guest/initrd-init says when it finds no disk: proof that kernel and initrd have run. */
const proof = 'testbed: no root file system';

/**
 * KVM where it really boots our kernel, otherwise emulation. There are machines with a para-virtual /dev/kvm on which
 * a stock kernel hangs, so it is tried, once per machine.
 */
export async function detectAccelerator(cache: Cache, image: MachineImage): Promise<Hardware['accelerator']> {
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!usable) return 'tcg';
  const machine = await Promise.all(['/proc/version', '/proc/cpuinfo'].map((path) => readFile(path, 'utf8')));
  const folder = await cached(cache, {
    name: 'accelerator',
    key: [image.kernel, machine[0] ?? '', processorModel(machine[1] ?? '')],
    build: async (folder) => {
      await writeFile(join(folder, 'accelerator'), (await bootsWithKvm(cache, image)) ? 'kvm' : 'tcg');
    },
  });
  return (await readFile(join(folder, 'accelerator'), 'utf8')) === 'kvm' ? 'kvm' : 'tcg';
}

/** The model of the first processor, as a saved machine with the host's processor only runs on the same. */
export function processorModel(cpuinfo: string): string {
  return /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
}

async function bootsWithKvm(cache: Cache, image: MachineImage): Promise<boolean> {
  const arguments_ = [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-machine', 'pc', '-m', '512'],
    ...['-accel', 'kvm', '-cpu', 'host', '-kernel', image.kernel, '-initrd', image.initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1', '-serial', 'stdio'],
  ];
  try {
    const limits = { timeoutMs: 20_000, graceMs: 1000, ...withSignal(cache) };
    const { stdout } = await run('qemu-system-x86_64', arguments_, { ...limits, accept: 'any' });
    return stdout.includes(proof);
  } catch {
    cache.signal?.throwIfAborted();
    return false;
  }
}
