import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { buildah, storageIn } from './buildah.ts';
import { cached, type Cache } from './cache.ts';
import { run, withSignal } from './process.ts';

/**
 * For the pods of tests: busybox with all its programs. Without a command it sleeps until it is told to end, so it also
 * is what holds each pod's namespaces (guest/disk/containerd.toml names it).
 */
export const workloadImage = 'localhost/testbed/busybox:1';

/** A process with pid 1 ignores SIGTERM unless it handles it: plain `sleep` would make each pod's deletion take 30 s. */
const sleepScript = 'trap "exit 0" TERM; sleep 2147483647 & wait';

/** The image as an archive, made from the busybox of the nodes' root file system. */
export async function workloadArchive(cache: Cache, nodeArchive: string): Promise<string> {
  const folder = await cached(cache, {
    name: 'workload-image',
    key: [nodeArchive, await readFile(import.meta.filename)],
    build: async (folder) => {
      const storage = storageIn(join(folder, 'storage'));
      const root = join(folder, 'root');
      await mkdir(root);
      await run('tar', ['-x', '-f', nodeArchive, '-C', root, './usr/bin/busybox'], withSignal(cache));
      await mkdir(join(root, 'bin'));
      await run('mv', [join(root, 'usr/bin/busybox'), join(root, 'bin/busybox')]);
      await rm(join(root, 'usr'), { recursive: true });
      const { stdout } = await run(join(root, 'bin/busybox'), ['--list']);
      for (const name of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
        await run('ln', ['-s', 'busybox', join(root, 'bin', name)]);
      }
      await Promise.all(['tmp', 'etc', 'proc', 'sys', 'dev', 'run'].map((name) => mkdir(join(root, name))));
      const container = (await buildah(cache, storage, ['from', 'scratch'])).stdout.trim();
      await buildah(cache, storage, ['copy', '-q', container, root, '/']);
      const command = JSON.stringify(['sh', '-c', sleepScript]);
      await buildah(cache, storage, ['config', '--cmd', command, '--env', 'PATH=/bin', container]);
      await buildah(cache, storage, ['commit', '-q', container, workloadImage]);
      const archive = `docker-archive:${join(folder, 'image.tar')}:${workloadImage}`;
      await buildah(cache, storage, ['push', '-q', '--disable-compression', workloadImage, archive]);
      await rm(storage.root, { recursive: true });
      await rm(root, { recursive: true });
    },
  });
  return join(folder, 'image.tar');
}
