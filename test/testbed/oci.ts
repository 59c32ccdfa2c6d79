import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { run } from './process.ts';

/** The parts of the OCI image format (opencontainers/image-spec) that the test bed reads and writes. */
interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

interface Manifest {
  schemaVersion: number;
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
}

interface ImageConfig {
  rootfs: { type: string; diff_ids: string[] };
  history?: { empty_layer?: boolean }[];
}

export interface SplitImage {
  /** An image of all layers but the last, complete in itself. */
  base: string;
  /** The whole image, without the content of the layers that are in `base`. */
  rest: string;
}

/**
 * Splits an image, given as an OCI layout folder, into two archives for `ctr images import`. Importing the whole
 * image takes 80 s on an emulated machine, the last layer alone 2 s on one that has the others.
 */
export async function splitLastLayer(layout: string, name: string, to: SplitImage): Promise<void> {
  const index = await readJson<{ manifests: Descriptor[] }>(join(layout, 'index.json'));
  const [described] = index.manifests;
  if (described === undefined) throw new Error(`${layout}/index.json lists no image`);
  const manifest = await readBlob<Manifest>(layout, described);
  const config = await readBlob<ImageConfig>(layout, manifest.config);
  const last = manifest.layers.at(-1);
  if (last === undefined) throw new Error(`the image in ${layout} has no layers`);

  await writeArchive(layout, to.rest, name, described, [described, manifest.config, last]);

  const lowerConfig = await writeBlob(layout, manifest.config.mediaType, withoutLastLayer(config));
  const lower = { ...manifest, config: lowerConfig, layers: manifest.layers.slice(0, -1) };
  const lowerManifest = await writeBlob(layout, described.mediaType, lower);
  const blobs = [lowerManifest, lowerConfig, ...lower.layers];
  await writeArchive(layout, to.base, `${name}-base`, lowerManifest, blobs);
}

function withoutLastLayer(config: ImageConfig): ImageConfig {
  const { history, ...rest } = config;
  // The history must name as many layers as there are; it is optional.
  void history;
  return { ...rest, rootfs: { ...config.rootfs, diff_ids: config.rootfs.diff_ids.slice(0, -1) } };
}

async function writeArchive(
  layout: string,
  archive: string,
  name: string,
  manifest: Descriptor,
  blobs: readonly Descriptor[],
): Promise<void> {
  const folder = `${archive}.parts`;
  await mkdir(folder);
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  await writeFile(join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const own = ['-C', folder, 'oci-layout', 'index.json'];
  await run('tar', ['-c', '-f', archive, ...own, '-C', layout, ...blobs.map((blob) => blobPath(blob))]);
  await rm(folder, { recursive: true });
}

function blobPath(blob: Descriptor): string {
  return join('blobs', ...blob.digest.split(':'));
}

async function readBlob<T>(layout: string, blob: Descriptor): Promise<T> {
  return readJson<T>(join(layout, blobPath(blob)));
}

async function writeBlob(layout: string, mediaType: string, content: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(content));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const blob = { mediaType, digest, size: bytes.length };
  await writeFile(join(layout, blobPath(blob)), bytes);
  return blob;
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}
