import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type Architecture, ARCHITECTURES, readElfMachine } from '../../scripts/elf.ts';
import { buildah, type ImageStorage, storageIn } from './buildah.ts';
import { cached, type Cache } from './cache.ts';
import { buildDockerfile, commitRoot, debianImageName, lowerContext, nodeSource } from './image.ts';
import { debianArchive } from './rootfs.ts';

const imageName = 'localhost/testbed/operator-for-all:1';

/** Machine number of the ELF header of each binary in an image, by path. */
export type Binaries = Readonly<Record<string, number>>;

/**
 * Builds the project's Dockerfile for all architectures at once, with empty bundles, without emulation. What is in the images
 * is all that is kept: they are 250 MB each.
 */
export async function imageBinaries(cache: Cache): Promise<Readonly<Record<Architecture, Binaries>>> {
  const [amd64, arm64] = await Promise.all([
    debianArchive(cache, 'image-root', { suite: 'trixie', packages: [] }),
    debianArchive(cache, 'arm-image-root', {
      suite: 'trixie',
      packages: ['?or(?essential,?exact-name(apt))'],
      foreign: 'arm64',
    }),
  ]);
  const archives = { amd64, arm64 };
  const sources = ['../../Dockerfile', 'image.ts', 'image-binaries.ts'];
  const contents = await Promise.all(sources.map((name) => readFile(join(import.meta.dirname, name))));
  const folder = await cached(cache, {
    name: 'image-binaries',
    key: [amd64, arm64, await nodeSource(), ...contents],
    estimate: 'building the image for all architectures, 1 to 2 min',
    build: async (folder, log) => {
      const storage = storageIn(join(folder, 'storage'));
      log('the Debian images');
      await commitDebian(cache, storage, archives);
      log('the Dockerfile');
      const context = join(folder, 'context');
      await lowerContext(cache, context, ARCHITECTURES);
      const options = [`--manifest=${imageName}`];
      await buildDockerfile(cache, storage, { context, architectures: ARCHITECTURES, options });
      log('reading the binaries');
      for (const architecture of ARCHITECTURES) {
        const root = await imageRoot(cache, storage, architecture);
        await writeFile(join(folder, `${architecture}.json`), JSON.stringify(await elfMachines(root)));
      }
      await rm(storage.root, { recursive: true });
      await rm(context, { recursive: true });
    },
  });
  return { amd64: await readBinaries(folder, 'amd64'), arm64: await readBinaries(folder, 'arm64') };
}

/** One name for the image of each architecture, as in the registry. */
async function commitDebian(
  cache: Cache,
  storage: ImageStorage,
  archives: Readonly<Record<Architecture, string>>,
): Promise<void> {
  await buildah(cache, storage, ['manifest', 'create', debianImageName]);
  for (const architecture of ARCHITECTURES) {
    const name = `localhost/testbed/debian-${architecture}:1`;
    await commitRoot(cache, storage, { archive: archives[architecture], architecture, name });
    await buildah(cache, storage, ['manifest', 'add', debianImageName, name]);
  }
}

/** The folder with the files of the built image. */
async function imageRoot(cache: Cache, storage: ImageStorage, architecture: Architecture): Promise<string> {
  const from = await buildah(cache, storage, ['from', '--pull-never', `--arch=${architecture}`, imageName]);
  return (await buildah(cache, storage, ['mount', from.stdout.trim()])).stdout.trim();
}

/** Of all files below a folder, by path from there. Links are not followed. */
async function elfMachines(root: string): Promise<Binaries> {
  const machines: Record<string, number> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const machine = await readElfMachine(file);
    if (machine !== undefined) machines[file.slice(root.length)] = machine;
  }
  return machines;
}

async function readBinaries(folder: string, architecture: Architecture): Promise<Binaries> {
  return JSON.parse(await readFile(join(folder, `${architecture}.json`), 'utf8')) as Binaries;
}
