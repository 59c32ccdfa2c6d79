import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Architecture } from '../../scripts/elf.ts';
import { placeNode } from '../../scripts/node-binary.ts';
import { buildah, type ImageStorage, storageIn } from './buildah.ts';
import { cached, type Cache, takeLock } from './cache.ts';
import { splitLastLayer } from './oci.ts';
import { run, withSignal } from './process.ts';
import { debianArchive } from './rootfs.ts';

/** As manifests/default names it; the runtime looks for a name without a registry there. */
export const operatorImageName = 'docker.io/library/apparmor-operator:0.1.0';

/** What the Dockerfile's FROM lines name; made here, since there is no registry to pull it from. */
export const debianImageName = 'docker.io/library/debian:trixie-slim';

/** Keeps the lower layers from being removed together with what was built on them. */
const lowerImageName = 'localhost/testbed/operator-lower:1';

const project = join(import.meta.dirname, '../..');

/** The part of the operator's image that stays the same from build to build: Debian, the parser, Node.js. */
export interface LowerImage {
  /** Archive to import into a node before it is saved. */
  archive: string;
  storage: ImageStorage;
}

/**
 * Builds the project's Dockerfile up to its last layer; once, since all later builds go on from these very layers. Keyed by what
 * goes into them: the bundles, which do not, are empty here.
 */
export async function lowerOperatorImage(cache: Cache): Promise<LowerImage> {
  const debian = await debianArchive(cache, 'image-root', { suite: 'trixie', packages: [] });
  const dockerfile = await readFile(join(project, 'Dockerfile'));
  const folder = await cached(cache, {
    name: 'operator-image-lower',
    key: [debian, dockerfile, await nodeSource(), await readFile(import.meta.filename)],
    estimate: 'building the lower layers of the image, about 1 min',
    build: async (folder, log) => {
      const storage = storageIn(join(folder, 'storage'));
      log('the Debian image');
      await commitRoot(cache, storage, { archive: debian, architecture: 'amd64', name: debianImageName });
      log('the Dockerfile');
      const context = join(folder, 'context');
      await lowerContext(cache, context, ['amd64']);
      await buildDockerfile(cache, storage, {
        context,
        architectures: ['amd64'],
        options: ['--layers', `--tag=${lowerImageName}`],
      });
      await pushSplit(cache, storage, lowerImageName, folder);
      await rm(join(folder, 'rest.tar'));
      await rm(context, { recursive: true });
    },
  });
  return { archive: join(folder, 'base.tar'), storage: storageIn(join(folder, 'storage')) };
}

/**
 * Builds the operator's image from the project's Dockerfile and the sources as they are. Returns an archive that holds the last
 * layer only, 3 MB: the nodes have the others.
 */
export async function operatorImage(cache: Cache): Promise<string> {
  const lower = await lowerOperatorImage(cache);
  // Two runs side by side would write dist/ at the same time.
  const lock = await takeLock(join(cache.folder, 'operator-image.build.lock'), cache.signal, () => {
    cache.log('another run builds the image, waiting for it');
  });
  try {
    await run(process.execPath, [join(project, 'scripts/build.ts'), '--arch', 'amd64'], withSignal(cache));
    const bundles = await Promise.all(
      ['controller.mjs', 'agent.mjs'].map((name) => readFile(join(project, 'dist', name))),
    );
    const folder = await cached(cache, {
      name: 'operator-image',
      key: [lower.archive, ...bundles, await readFile(import.meta.filename)],
      estimate: 'adding the bundles to the image, about 20 s',
      build: async (folder) => {
        // On the lower image's own storage: copying it would take longer than the build. Whoever builds holds the lock, and
        // what was added is taken away again.
        await buildDockerfile(cache, lower.storage, {
          context: project,
          architectures: ['amd64'],
          options: ['--layers', `--tag=${operatorImageName}`],
        });
        await pushSplit(cache, lower.storage, operatorImageName, folder);
        await buildah(cache, lower.storage, ['rmi', operatorImageName]);
        await rm(join(folder, 'base.tar'));
      },
    });
    return join(folder, 'rest.tar');
  } finally {
    await lock.release();
  }
}

/** Makes an image of a root file system. */
export async function commitRoot(
  cache: Cache,
  storage: ImageStorage,
  root: { archive: string; architecture: Architecture; name: string },
): Promise<void> {
  const container = (await buildah(cache, storage, ['from', `--arch=${root.architecture}`, 'scratch'])).stdout.trim();
  await buildah(cache, storage, ['add', '-q', container, root.archive, '/']);
  await buildah(cache, storage, ['config', `--arch=${root.architecture}`, '--cmd', 'bash', container]);
  await buildah(cache, storage, ['commit', '-q', '--rm', container, root.name]);
}

/** Makes a folder to build the Dockerfile in, with all that its lower layers take and empty bundles. */
export async function lowerContext(
  cache: Cache,
  context: string,
  architectures: readonly Architecture[],
): Promise<void> {
  const dist = join(context, 'dist');
  for (const architecture of architectures)
    await placeNode(architecture, { root: project, folder: join(dist, `node-${architecture}`), ...withSignal(cache) });
  for (const bundle of ['controller.mjs', 'agent.mjs']) await writeFile(join(dist, bundle), '');
  await cp(join(project, 'Dockerfile'), join(context, 'Dockerfile'));
}

/** As README.md says, only that nothing is pulled: base images are what the storage holds. */
export async function buildDockerfile(
  cache: Cache,
  storage: ImageStorage,
  o: { context: string; architectures: readonly Architecture[]; options: readonly string[] },
): Promise<void> {
  await buildah(cache, storage, [
    'build',
    '--isolation=chroot',
    '--pull-never',
    `--platform=${o.architectures.map((architecture) => `linux/${architecture}`).join(',')}`,
    // Debian 12's buildah does not set it by itself.
    '--build-arg=BUILDPLATFORM=linux/amd64',
    ...o.options,
    `--file=${join(o.context, 'Dockerfile')}`,
    o.context,
  ]);
}

/** Leaves `base.tar` and `rest.tar` in the folder. */
async function pushSplit(cache: Cache, storage: ImageStorage, image: string, folder: string): Promise<void> {
  const layout = join(folder, 'layout');
  await buildah(cache, storage, ['push', '-q', image, `oci:${layout}:${operatorImageName}`]);
  await splitLastLayer(layout, operatorImageName, { base: join(folder, 'base.tar'), rest: join(folder, 'rest.tar') });
  await rm(layout, { recursive: true });
}

/** What decides which bytes of which Node.js go into images. */
export async function nodeSource(): Promise<string> {
  const manifest = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const sources = ['node-binary.ts', 'elf.ts'].map((name) => readFile(join(project, 'scripts', name), 'utf8'));
  return [JSON.stringify(manifest.optionalDependencies), ...(await Promise.all(sources))].join('\n');
}
