import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { defaultCacheFolder } from '../testbed/cache.ts';
import { startCluster } from '../testbed/cluster.ts';
import { howToReach, startHeldCluster } from '../testbed/held-cluster.ts';
import { operatorImageName } from '../testbed/image.ts';
import { importOperatorImage } from '../testbed/operator.ts';
import { createOwner, interruption, type Owner, run } from '../testbed/process.ts';
import {
  applySamples,
  changePolicy,
  cleanUp,
  DemoError,
  install,
  proveConfinement,
  refuseWhenInstalled,
  type DemoOptions,
  type Kubectl,
} from './steps.ts';

const PROJECT = join(import.meta.dirname, '../..');
const MANIFESTS = join(PROJECT, 'manifests/default');

/** Where the demo runs: a cluster of its own, or the user's. */
interface Target {
  kubectl: Kubectl;
  kustomization: string;
  image: string;
  /** Whether what the demo installs must be taken away again: a cluster of its own ends as a whole. */
  isUsers: boolean;
  howToReach: string;
}

const signal = interruption();
const owner = createOwner();
process.exitCode = await demo();

/** Returns the exit code: 0 only if all of it was seen. */
async function demo(): Promise<number> {
  const keep = (process.env['KEEP'] ?? '') !== '';
  const began = performance.now();
  try {
    const target = await chooseTarget(keep);
    const options: DemoOptions = {
      kubectl: target.kubectl,
      kustomization: target.kustomization,
      samples: join(PROJECT, 'profiles'),
      podImage: target.image,
      print,
      signal,
    };
    await refuseWhenInstalled(options);
    if (target.isUsers && !keep) owner.add(() => cleanUp(options));
    await install(options);
    await applySamples(options);
    await proveConfinement(options);
    await changePolicy(options);
    if (keep) print(`\nKEEP=1: the cluster stays up.\n${target.howToReach}`);
  } catch (error) {
    print(
      `\ndemo failed: ${error instanceof DemoError ? error.message : String(error instanceof Error ? error.stack : error)}`,
    );
    return 1;
  } finally {
    await owner.stop();
  }
  print(`\ndemo passed in ${Math.round((performance.now() - began) / 1000)} s`);
  return 0;
}

async function chooseTarget(keep: boolean): Promise<Target> {
  const kubeconfig = process.env['KUBECONFIG'] ?? '';
  if (kubeconfig !== '') return usersCluster(owner, kubeconfig, process.env['IMAGE'] ?? '');
  const cache = { folder: defaultCacheFolder(process.env), log: print, signal };
  const own = { kustomization: MANIFESTS, image: operatorImageName, isUsers: false };
  if (keep) {
    const held = await startHeldCluster(cache);
    const kubectl = kubectlOf([held.binary, 'kubectl'], held.kubeconfig);
    return { ...own, kubectl, howToReach: howToReach(held) };
  }
  const cluster = await startCluster({ cache, nodes: 2, signal });
  owner.add(cluster.stop);
  await importOperatorImage(cache, cluster);
  return { ...own, kubectl: cluster.controlPlane.kubectl, howToReach: '' };
}

/** The user's own kubectl, and an overlay of manifests/default that sets the image. */
async function usersCluster(owner: Owner, kubeconfig: string, image: string): Promise<Target> {
  const [, name, tag] = /^(.+):([^:/]+)$/.exec(image) ?? [];
  if (name === undefined || tag === undefined) {
    throw new DemoError(
      "IMAGE=NAME:TAG is missing: the operator's image, where the nodes of the cluster can pull it from",
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'apparmor-operator-demo-'));
  owner.add(() => rm(folder, { recursive: true }));
  const overlay = {
    resources: [relative(folder, MANIFESTS)],
    images: [{ name: 'apparmor-operator', newName: name, newTag: tag }],
  };
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(overlay));
  return {
    kubectl: kubectlOf(['kubectl'], kubeconfig),
    kustomization: folder,
    image,
    isUsers: true,
    howToReach: `The operator and the samples stay in the cluster of ${kubeconfig}.`,
  };
}

function kubectlOf([command = 'kubectl', ...first]: readonly string[], kubeconfig: string): Kubectl {
  return (args, options = {}) =>
    run(command, [...first, `--kubeconfig=${kubeconfig}`, ...args], {
      ...(options.input === undefined ? {} : { input: options.input }),
      accept: 'any',
      signal,
    });
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
