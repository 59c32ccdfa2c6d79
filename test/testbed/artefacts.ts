import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { cached, type Cache } from './cache.ts';
import { lowerOperatorImage } from './image.ts';
import { kubernetesBinary } from './kubernetes-binary.ts';
import { type NodeTemplate, nodeTemplate } from './node-template.ts';
import { debianArchive, machineImage, makeFileSystem, nodeRelease, type NodeSuite } from './rootfs.ts';
import { detectAccelerator } from './accelerator.ts';
import { workloadArchive } from './workload-image.ts';

/** Everything that takes long to make and is the same for every run. */
export interface Artefacts {
  /** File system image with the `kubernetes` binary, a drive of each node. */
  kubernetesDrive: string;
  template: NodeTemplate;
}

/** Takes all of it from the cache; what is missing is made side by side. From nothing: 15 to 20 min on 2 cores. */
export async function prepare(cache: Cache): Promise<Artefacts> {
  const [kubernetesDrive, template] = await Promise.all([prepareKubernetes(cache), prepareTemplate(cache, 'trixie')]);
  return { kubernetesDrive, template };
}

async function prepareKubernetes(cache: Cache): Promise<string> {
  const binary = await kubernetesBinary(cache);
  const folder = await cached(cache, {
    name: 'kubernetes-drive',
    key: [binary],
    build: async (folder) => {
      const content = join(folder, 'content');
      await mkdir(content);
      await cp(binary, join(content, 'kubernetes'));
      await makeFileSystem(join(folder, 'drive'), '256M', content, cache);
      await rm(content, { recursive: true });
    },
  });
  return join(folder, 'drive');
}

/** A saved machine of that suite, with the images that all nodes have from the start. */
export async function prepareTemplate(cache: Cache, suite: NodeSuite): Promise<NodeTemplate> {
  const archiveOf = (of: NodeSuite): Promise<string> => debianArchive(cache, 'node-root', nodeRelease(of));
  const [image, workloads, operator] = await Promise.all([
    archiveOf(suite).then((archive) => machineImage(cache, archive)),
    archiveOf('trixie').then((archive) => workloadArchive(cache, archive)),
    lowerOperatorImage(cache),
  ]);
  // With one processor QEMU 7.2 emulates cmpxchg16b otherwise, and the guest's kernel was seen to panic in its allocator.
  const hardware = { ...(await detectAccelerator(cache, image)), cpus: 2, memoryMiB: 2048 };
  return nodeTemplate(cache, { image, hardware, kernelArguments: [], archives: [workloads, operator.archive] });
}
