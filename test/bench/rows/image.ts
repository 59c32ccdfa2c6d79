import { run } from '../../testbed/process.ts';
import type { Cache } from '../../testbed/cache.ts';
import { lowerOperatorImage, operatorImage } from '../../testbed/image.ts';
import type { Figure } from '../results.ts';

/** The image as a registry would hold it: gzip layers, without the configuration's few kilobytes. */
export async function measureImage(cache: Cache): Promise<Figure[]> {
  const { archive } = await lowerOperatorImage(cache);
  const layers = [...(await layersOf(archive)), ...(await layersOf(await operatorImage(cache)))];
  const megabytes = layers.map((bytes) => bytes / 1e6);
  const names = ['Debian', 'apparmor', "Node.js's licence", 'Node.js', 'the bundles'];
  const parts = megabytes.map(
    (each, index) => `${names.length === layers.length ? names[index] : `layer ${index + 1}`} ${each.toFixed(1)}`,
  );
  return [
    {
      id: 'image-compressed',
      value: megabytes.reduce((sum, each) => sum + each, 0),
      unit: 'MB',
      goal: 80,
      detail: `the layers of the Dockerfile, on a Debian base made here with mmdebstrap: ${parts.join(', ')} MB`,
    },
  ];
}

interface Manifest {
  layers: { digest: string; size: number }[];
}

/** Sizes of the layers whose bytes are in an OCI archive, the lowest first. */
async function layersOf(archive: string): Promise<number[]> {
  const read = async (path: string): Promise<string> => (await run('tar', ['-x', '-O', '-f', archive, path])).stdout;
  const present = new Set((await run('tar', ['-t', '-f', archive])).stdout.split('\n'));
  const index = JSON.parse(await read('index.json')) as { manifests: { digest: string }[] };
  const [manifest] = index.manifests;
  const { layers } = JSON.parse(await read(blob(manifest?.digest ?? ''))) as Manifest;
  return layers.filter(({ digest }) => present.has(blob(digest))).map(({ size }) => size);
}

function blob(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}
