import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { elfMachine } from '../../scripts/elf.ts';
import { buildah, storageIn } from './buildah.ts';
import { cached, type Cache } from './cache.ts';
import { buildDockerfile, commitRoot, debianImageName, lowerContext, nodeVersion } from './image.ts';
import { debianArchive } from './rootfs.ts';

const imageName = 'localhost/testbed/operator-arm64:1';

/**
 * Builds the project's Dockerfile for arm64, without its bundles, on this machine and without emulation. Returns the machine
 * number in the ELF header of each binary of the image, by path. The image itself, 240 MB, is not kept.
 */
export async function armImageBinaries(cache: Cache): Promise<ReadonlyMap<string, number>> {
  const [own, foreign] = await Promise.all([
    debianArchive(cache, 'image-root', { suite: 'trixie', packages: [] }),
    debianArchive(cache, 'arm-image-root', { suite: 'trixie', packages: ['?essential'], foreign: 'arm64' }),
  ]);
  const sources = ['../../Dockerfile', 'arm-image.ts', 'image.ts'];
  const contents = await Promise.all(sources.map((name) => readFile(join(import.meta.dirname, name))));
  const folder = await cached(cache, {
    name: 'arm-image',
    key: [own, foreign, await nodeVersion(), ...contents],
    estimate: 'building the image for arm64, 1 to 2 min',
    build: async (folder, log) => {
      const storage = storageIn(join(folder, 'storage'));
      log('the Debian images');
      // A list, as the registry has: the first stage of the Dockerfile runs on this machine, the last is for the other.
      await buildah(cache, storage, ['manifest', 'create', debianImageName]);
      for (const [architecture, archive] of [
        ['amd64', own],
        ['arm64', foreign],
      ] as const) {
        const name = `localhost/testbed/debian-${architecture}:1`;
        await commitRoot(cache, storage, { archive, architecture, name });
        await buildah(cache, storage, ['manifest', 'add', debianImageName, name]);
      }
      log('the Dockerfile');
      const context = join(folder, 'context');
      await mkdir(context);
      await lowerContext(cache, context, 'arm64');
      // buildah 1.28 does not set it by itself.
      const options = ['--platform=linux/arm64', '--build-arg=BUILDPLATFORM=linux/amd64'];
      await buildDockerfile(cache, storage, { context, tag: imageName, options });
      log('reading the binaries');
      const container = (await buildah(cache, storage, ['from', '--pull-never', '--arch=arm64', imageName])).stdout;
      const root = (await buildah(cache, storage, ['mount', container.trim()])).stdout.trim();
      await writeFile(join(folder, 'binaries.json'), JSON.stringify([...(await elfMachines(root))]));
      await rm(storage.root, { recursive: true });
      await rm(context, { recursive: true });
    },
  });
  return new Map(JSON.parse(await readFile(join(folder, 'binaries.json'), 'utf8')) as [string, number][]);
}

/** The machine numbers of all ELF files below a folder, by path from there. Links are not followed. */
export async function elfMachines(root: string): Promise<Map<string, number>> {
  const machines = new Map<string, number>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const header = await firstBytes(file);
    if (header.toString('latin1', 0, 4) === '\x7fELF') machines.set(file.slice(root.length), elfMachine(header, file));
  }
  return machines;
}

async function firstBytes(file: string): Promise<Buffer> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(20), 0, 20, 0);
  return buffer.subarray(0, bytesRead);
}
