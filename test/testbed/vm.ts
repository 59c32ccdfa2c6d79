import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type GuestChannel, openGuestChannel } from './guest-channel.ts';
import { type OwnedProcess, start, waitFor } from './process.ts';
import { connectQmp, type Qmp } from './qmp.ts';
import type { MachineImage } from './rootfs.ts';

/** The virtual hardware. A snapshot can only be restored on the same. */
export interface Hardware {
  accelerator: 'kvm' | 'tcg';
  /** What QEMU's `-cpu` says; with KVM the host's own model instead. */
  processor: string;
  cpus: number;
  memoryMiB: number;
}

export interface MachineOptions {
  name: string;
  /** The logs go here. */
  folder: string;
  /** Folder for Unix sockets; its path must be short. */
  sockets: string;
  hardware: Hardware;
  image: MachineImage;
  /** qcow2 overlay that the machine writes to. */
  disk: string;
  /** Added to the kernel's command line, for example `apparmor=0`. */
  kernelArguments: readonly string[];
  network: { namespace: string; tap: string };
  /** Restores this saved memory instead of booting. */
  memory?: string;
  /**
   * Under emulation, the guest's clock goes on by so much for each instruction, nanoseconds (a power of two, at most 1,024),
   * however long that takes here: what the guest measures is then what a processor of that speed would take.
   */
  instructionNs?: number;
  signal?: AbortSignal;
}

/** A running QEMU. It ends with `kill`, with the guest's own power-off, or with this process. */
export interface Machine {
  channel: GuestChannel;
  process: OwnedProcess;
  /** Plugs in a read-only drive that the guest sees with this serial number, `/dev/vdX`. */
  plugDrive(serial: string, file: string): Promise<void>;
  /** Takes the drive out again. A saved machine must have none, as the restored one starts without. */
  unplugDrive(serial: string): Promise<void>;
  /** Stops the machine, writes its memory to the file and ends it; its disk then fits that memory. */
  saveAndEnd(memory: string): Promise<void>;
  /** Pulls the plug: what the guest has not written to its disk is lost. */
  kill(): Promise<void>;
}

/** Commands that may run at once for the process that started the machine. */
const channelPorts = 4;
/** Measured 1 s for a restore, 8 to 20 s for a boot under emulation on two busy cores. */
const answerDeadlineMs = 180_000;

/** One more port, for commands of another process: a port serves one connection at a time. */
export function shellSocket(sockets: string, name: string): string {
  return join(sockets, `${name}-shell`);
}

export class MachineError extends Error {}

/** Starts or restores a virtual machine and waits until it answers commands. */
export async function startMachine(o: MachineOptions): Promise<Machine> {
  const own = Array.from({ length: channelPorts }, (_, index) => join(o.sockets, `${o.name}-guest-${index}`));
  const ports = [...own, shellSocket(o.sockets, o.name)];
  const control = join(o.sockets, `${o.name}-qmp`);
  const qemu = start(
    'ip',
    ['netns', 'exec', o.network.namespace, 'qemu-system-x86_64', ...qemuArguments(o, ports, control)],
    {
      name: `QEMU of ${o.name}`,
      logFile: join(o.folder, `${o.name}-qemu.log`),
      ...(o.signal ? { signal: o.signal } : {}),
    },
  );
  const ended = new AbortController();
  void qemu.exited.then(() => ended.abort(new Error(`${qemu.name} ended`)));
  try {
    const qmp = await connectQmp(control, ended.signal);
    const channel = await openGuestChannel(own, ended.signal);
    if (o.memory !== undefined) await resume(qmp, qemu);
    await answering(channel);
    return machine(o, qemu, qmp, channel);
  } catch (error) {
    await qemu.stop();
    o.signal?.throwIfAborted();
    throw new MachineError(`${o.name} does not come up\n${qemu.outputTail()}\n${await consoleTail(o)}`, {
      cause: error,
    });
  }
}

function machine(o: MachineOptions, qemu: OwnedProcess, qmp: Qmp, channel: GuestChannel): Machine {
  const kill = async (): Promise<void> => {
    channel.close();
    qmp.close();
    await qemu.stop();
  };
  return {
    channel,
    process: qemu,
    plugDrive: async (serial, file) => {
      const node = `drive-${serial}`;
      await qmp.execute('blockdev-add', {
        'node-name': node,
        driver: 'raw',
        'read-only': true,
        file: { driver: 'file', filename: file },
      });
      await qmp.execute('device_add', { driver: 'virtio-blk-pci', id: serial, drive: node, serial });
    },
    unplugDrive: async (serial) => {
      await qmp.execute('device_del', { id: serial });
      // The guest lets go of the device at its own pace; only then QEMU can close the file.
      await waitFor(`drive ${serial} to be unplugged`, { deadlineMs: 60_000, processes: [qemu] }, async () => {
        await qmp.execute('blockdev-del', { 'node-name': `drive-${serial}` });
        return true;
      });
    },
    saveAndEnd: async (memory) => {
      await qmp.execute('stop');
      await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 64 * 1024 ** 3 });
      await qmp.execute('migrate', { uri: `exec:cat > '${memory}'` });
      await waitFor(`the memory of ${o.name} to be saved`, { deadlineMs: 120_000, processes: [qemu] }, async () => {
        const { status } = (await qmp.execute('query-migrate')) as { status?: string };
        if (status === 'failed') throw new Error('QEMU could not save the memory');
        return status === 'completed';
      });
      await qmp.execute('quit');
      await qemu.exited;
    },
    kill,
  };
}

/** It was saved while it was stopped, so it comes back stopped. */
async function resume(qmp: Qmp, qemu: OwnedProcess): Promise<void> {
  await waitFor('the saved memory to be read', { deadlineMs: 60_000, intervalMs: 50, processes: [qemu] }, async () => {
    const { status } = (await qmp.execute('query-status')) as { status: string };
    return status !== 'inmigrate';
  });
  await qmp.execute('cont');
}

async function answering(channel: GuestChannel): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), answerDeadlineMs);
  const never = once(late.signal, 'abort').then(() => Promise.reject(new Error('no answer within 3 min')));
  try {
    await Promise.race([channel.run(['true']), never]);
  } finally {
    clearTimeout(timer);
  }
}

function consoleLog(o: MachineOptions): string {
  return join(o.folder, `${o.name}-console.log`);
}

async function consoleTail(o: MachineOptions): Promise<string> {
  const text = await readFile(consoleLog(o), 'utf8').catch(() => '');
  return text.slice(-2000);
}

/**
 * Without randomised addresses emulated code need not be translated anew for every process: starting `true` takes 19 ms
 * instead of 66. Clearing each page that is given out costs as much as using it.
 */
const cheapUnderEmulation = ['mitigations=off', 'norandmaps', 'init_on_alloc=0', 'rcupdate.rcu_expedited=1'];

/**
 * Every machine has the same MAC address here, as a restored one expects the saved one back; guest/join sets one
 * of its own. The drives for kubelet and images are plugged in later, so that a snapshot does not depend on them.
 */
function qemuArguments(o: MachineOptions, ports: readonly string[], control: string): string[] {
  const { accelerator, processor, cpus, memoryMiB } = o.hardware;
  const always = ['console=ttyS0', 'quiet', 'panic=-1', `testbed.ports=${ports.length}`];
  const commandLine = [...always, ...cheapUnderEmulation, ...o.kernelArguments].join(' ');
  const options: (readonly string[])[] = [
    ['-name', o.name],
    ['-nodefaults', '-no-user-config', '-no-reboot'],
    ['-display', 'none'],
    ['-machine', 'pc'],
    accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : [...emulation(o), '-cpu', processor],
    ['-smp', String(cpus)],
    ['-m', String(memoryMiB)],
    ['-kernel', o.image.kernel, '-initrd', o.image.initrd, '-append', commandLine],
    ['-chardev', `file,id=console,path=${consoleLog(o)},append=on`, '-serial', 'chardev:console'],
    ['-drive', `file=${o.disk},id=disk,if=none,format=qcow2,cache=unsafe,discard=unmap`],
    ['-device', 'virtio-blk-pci,drive=disk'],
    ['-netdev', `tap,id=net,ifname=${o.network.tap},script=no,downscript=no`],
    ['-device', 'virtio-net-pci,netdev=net,mac=52:54:00:77:00:01,romfile='],
    ['-device', 'virtio-serial-pci,max_ports=8'],
    ...ports.map((path, index) => [
      '-chardev',
      `socket,id=guest${index},path=${path},server=on,wait=off`,
      '-device',
      `virtserialport,chardev=guest${index},name=testbed.${index}`,
    ]),
    // Restored machines would otherwise draw the same random numbers.
    ['-device', 'vmgenid,guid=auto'],
    ['-qmp', `unix:${control},server=on,wait=off`],
    o.memory === undefined ? [] : ['-incoming', `exec:cat '${o.memory}'`],
  ];
  return options.flat();
}

/** With counted instructions QEMU runs one virtual processor at a time. */
function emulation({ instructionNs }: MachineOptions): readonly string[] {
  if (instructionNs === undefined) return ['-accel', 'tcg,thread=multi'];
  return ['-accel', 'tcg,thread=single', '-icount', `shift=${Math.log2(instructionNs)}`];
}
