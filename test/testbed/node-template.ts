import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { cached, type Cache } from './cache.ts';
import { run, waitFor, withSignal } from './process.ts';
import { createNetwork } from './network.ts';
import type { MachineImage } from './rootfs.ts';
import { createRun } from './runs.ts';
import { type Hardware, startMachine } from './vm.ts';

/** A machine that was saved with containerd running and images imported, before it became a node. */
export interface NodeTemplate {
  image: MachineImage;
  hardware: Hardware;
  kernelArguments: readonly string[];
  /** qcow2 file that each node's disk is an overlay of. */
  disk: string;
  memory: string;
}

export interface TemplateOptions {
  image: MachineImage;
  hardware: Hardware;
  kernelArguments: readonly string[];
  /** OCI or docker archives that are in every node from the start. */
  archives: readonly string[];
}

/** Boots a machine, imports the images, saves it: 30 s under emulation, where restoring takes 3. */
export async function nodeTemplate(cache: Cache, o: TemplateOptions): Promise<NodeTemplate> {
  const sources = ['vm.ts', 'node-template.ts'].map((name) => readFile(join(import.meta.dirname, name)));
  const { stdout: qemu } = await run('qemu-system-x86_64', ['--version']);
  const folder = await cached(cache, {
    name: 'node-template',
    key: [
      qemu,
      o.image.disk,
      JSON.stringify([o.hardware, o.kernelArguments, o.archives]),
      ...(await Promise.all(sources)),
    ],
    estimate: 'booting a machine and importing images, 30 s to 2 min',
    keep: 4,
    build: (folder, log) => buildTemplate(cache, o, folder, log),
  });
  const { image, hardware, kernelArguments } = o;
  return { image, hardware, kernelArguments, disk: join(folder, 'disk'), memory: join(folder, 'memory') };
}

/** A disk of a machine's own, which holds only the differences from another. */
export async function createOverlay(file: string, backing: { file: string; format: 'raw' | 'qcow2' }): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', backing.format, '-b', backing.file, file]);
}

async function buildTemplate(
  cache: Cache,
  o: TemplateOptions,
  folder: string,
  log: (line: string) => void,
): Promise<void> {
  const { kernelArguments, image, hardware } = o;
  const owned = await createRun(cache.folder);
  try {
    const network = await createNetwork(owned.name);
    const { tap } = await network.addNode(1);
    const disk = join(folder, 'disk');
    await createOverlay(disk, { file: image.disk, format: 'raw' });
    log('booting');
    const machine = await startMachine({
      name: 'template',
      folder: owned.folder,
      sockets: owned.sockets,
      hardware,
      image,
      disk,
      kernelArguments,
      network: { namespace: network.namespace, tap },
      ...withSignal(cache),
    });
    const guest = async (script: string, timeoutSeconds: number): Promise<void> => {
      const result = await machine.channel.run(script, { timeoutSeconds });
      if (result.code !== 0) throw new Error(`${script}: exit code ${result.code}\n${result.stderr}`);
    };
    await waitFor('containerd', { deadlineMs: 120_000, processes: [machine.process] }, async () => {
      await guest('ctr version', 30);
      return true;
    });
    for (const [index, archive] of o.archives.entries()) {
      log(`importing image ${index + 1} of ${o.archives.length}`);
      const serial = `images-${index}`;
      await machine.plugDrive(serial, archive);
      await guest(importScript(serial), 600);
      await machine.unplugDrive(serial);
    }
    log('saving');
    await guest('sync', 120);
    await machine.saveAndEnd(join(folder, 'memory'));
  } finally {
    await owned.remove();
  }
}

/** Imports the images of the drive with this serial number, which shows up a moment after it is plugged in. */
function importScript(serial: string): string {
  return `
    find_drive() { for disk in /sys/block/vd*; do [ "$(cat "$disk/serial")" != ${serial} ] || echo "/dev/\${disk##*/}"; done; }
    until [ -n "$(find_drive)" ]; do sleep 0.1; done
    ctr -n k8s.io images import "$(find_drive)"`;
}
