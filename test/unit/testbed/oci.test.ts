import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { splitLastLayer } from '../../testbed/oci.ts';

describe('test bed: splitting an image', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'oci-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('makes one image of all layers but the last, and an archive with the last one only', async () => {
    const layout = join(folder, 'layout');
    const layers = await Promise.all(['debian', 'node', 'bundle'].map((text) => blob(layout, 'layer', text)));
    const rootfs = { type: 'layers', diff_ids: layers.map((layer) => layer.digest) };
    const config = await blob(layout, 'config', JSON.stringify({ os: 'linux', rootfs, history: [{}, {}, {}] }));
    const manifest = await blob(layout, 'manifest', JSON.stringify({ schemaVersion: 2, config, layers }));
    await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));

    const to = { base: join(folder, 'base.tar'), rest: join(folder, 'rest.tar') };
    await splitLastLayer(layout, 'example/image:1', to);

    const rest = await unpack(to.rest);
    expect(rest.manifest).to.deep.equal({ schemaVersion: 2, config, layers });
    expect(rest.name).to.equal('example/image:1');
    expect(rest.blobs).to.have.members([manifest.digest, config.digest, layers[2]?.digest]);

    const base = await unpack(to.base);
    expect(base.name).to.equal('example/image:1-base');
    expect(base.manifest.layers).to.deep.equal(layers.slice(0, 2));
    expect(base.config).to.deep.equal({ os: 'linux', rootfs: { ...rootfs, diff_ids: rootfs.diff_ids.slice(0, 2) } });
    expect(base.blobs).to.include.members(layers.slice(0, 2).map((layer) => layer.digest));
    expect(base.blobs).not.to.include(layers[2]?.digest);
  });
});

interface Blob {
  mediaType: string;
  digest: string;
  size: number;
}

async function blob(layout: string, mediaType: string, content: string): Promise<Blob> {
  const hash = createHash('sha256').update(content).digest('hex');
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true });
  await writeFile(join(layout, 'blobs/sha256', hash), content);
  return { mediaType, digest: `sha256:${hash}`, size: content.length };
}

interface Unpacked {
  name: string | undefined;
  manifest: { config: Blob; layers: Blob[] };
  config: unknown;
  blobs: string[];
}

async function unpack(archive: string): Promise<Unpacked> {
  const to = `${archive}.unpacked`;
  await mkdir(to);
  execFileSync('tar', ['-x', '-f', archive, '-C', to]);
  const read = async (path: string): Promise<unknown> => JSON.parse(await readFile(join(to, path), 'utf8'));
  const index = (await read('index.json')) as { manifests: (Blob & { annotations: Record<string, string> })[] };
  const [described] = index.manifests;
  const manifest = (await read(blobPath(described?.digest ?? ''))) as Unpacked['manifest'];
  const config = await read(blobPath(manifest.config.digest));
  const names = execFileSync('tar', ['-t', '-f', archive], { encoding: 'utf8' }).split('\n');
  const blobs = names.filter((name) => name.startsWith('blobs/')).map((name) => `sha256:${name.slice(13)}`);
  return { name: described?.annotations['io.containerd.image.name'], manifest, config, blobs };
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}
