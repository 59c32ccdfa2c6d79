import { mkdir, open, readdir, readFile, rm, writeFile, cp } from 'node:fs/promises';
import { join } from 'node:path';

import { cached, type Cache } from './cache.ts';
import { packInitrd } from './initrd.ts';
import { run, withSignal } from './process.ts';

/** A Debian root file system as a tar archive. */
export interface DebianRelease {
  suite: string;
  packages: readonly string[];
  /** Of another architecture packages can only be unpacked: their scripts would have to run. Default: the machine's own. */
  foreign?: 'arm64';
}

/** What a node can run: Debian 13 with kernel 6.12 and containerd 1.7, or Debian 12 with 6.1 and 1.6. */
export type NodeSuite = 'trixie' | 'bookworm';

export function nodeRelease(suite: NodeSuite): DebianRelease {
  return { suite, packages: nodePackages };
}

/** Kernel, AppArmor, container runtime and what kubelet and kube-proxy call. */
const nodePackages: readonly string[] = [
  'linux-image-cloud-amd64',
  'apparmor',
  'containerd',
  'runc',
  'containernetworking-plugins',
  'iproute2',
  'iptables',
  'kmod',
  'busybox-static',
  'procps',
  'ca-certificates',
  'mount',
  'conntrack',
  'socat',
];

/** Makes the archive with mmdebstrap; 80 s on an idle machine, 440 MB for a node. */
export async function debianArchive(cache: Cache, name: string, release: DebianRelease): Promise<string> {
  const args = mmdebstrapArguments(release);
  const folder = await cached(cache, {
    name,
    key: args,
    estimate: 'with mmdebstrap, 1 to 3 min',
    build: async (folder) => {
      await run('mmdebstrap', [...args, join(folder, 'root.tar')], withSignal(cache));
    },
  });
  return join(folder, 'root.tar');
}

/** Documentation and translations are most of the files: without them copying takes half the time. */
function mmdebstrapArguments(release: DebianRelease): string[] {
  const left = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/doc/*', '/usr/share/info/*'];
  return [
    '--quiet',
    ...(release.foreign === undefined
      ? ['--variant=minbase']
      : ['--variant=extract', `--architectures=${release.foreign}`]),
    ...left.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...(release.packages.length > 0 ? [`--include=${release.packages.join(',')}`] : []),
    release.suite,
  ];
}

/** What a virtual machine starts from. */
export interface MachineImage {
  kernel: string;
  initrd: string;
  /** Sparse raw ext4 image; never written to, machines get an overlay. */
  disk: string;
  /** Release of the kernel, as `uname -r` prints it. */
  release: string;
}

const diskSize = '8G';

/** Kernel, initrd and disk of a node: the archive with the scripts of guest/disk/ added in /testbed. 6 s. */
export async function machineImage(cache: Cache, archive: string): Promise<MachineImage> {
  const guest = join(import.meta.dirname, 'guest/disk');
  const scripts = await Promise.all((await readdir(guest)).sort().map((name) => readFile(join(guest, name))));
  const names = ['guest/initrd-init', 'initrd.ts', 'rootfs.ts'];
  const sources = await Promise.all(names.map((name) => readFile(join(import.meta.dirname, name))));
  const folder = await cached(cache, {
    name: 'node-disk',
    key: [archive, diskSize, ...scripts, ...sources],
    build: async (folder, log) => {
      const root = join(folder, 'root');
      await mkdir(root);
      log('unpacking');
      await run(
        'tar',
        ['-x', '--numeric-owner', '-p', '-f', archive, '-C', root, '--exclude=./dev/*'],
        withSignal(cache),
      );
      await cp(guest, join(root, 'testbed'), { recursive: true });
      const release = await kernelRelease(root);
      await cp(join(root, 'boot', `vmlinuz-${release}`), join(folder, 'kernel'));
      await writeFile(join(folder, 'initrd'), await packInitrd(root, release));
      await writeFile(join(folder, 'release'), release);
      log('making the file system');
      await makeFileSystem(join(folder, 'disk'), diskSize, root, cache);
      await rm(root, { recursive: true });
    },
  });
  return {
    kernel: join(folder, 'kernel'),
    initrd: join(folder, 'initrd'),
    disk: join(folder, 'disk'),
    release: await readFile(join(folder, 'release'), 'utf8'),
  };
}

/** An ext4 file system with the content of a folder, in a sparse file. Needs no mount. */
export async function makeFileSystem(file: string, size: string, content: string, cache: Cache): Promise<void> {
  const handle = await open(file, 'w');
  await handle.close();
  // Without the eager tables the guest's kernel would write them in the background, under emulation.
  const options = ['-q', '-t', 'ext4', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0'];
  await run('mke2fs', [...options, '-d', content, file, size], withSignal(cache));
}

async function kernelRelease(root: string): Promise<string> {
  const kernel = (await readdir(join(root, 'boot'))).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new Error(`no kernel in ${root}/boot`);
  return kernel.slice('vmlinuz-'.length);
}
