import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster, type TestCluster } from '../testbed/cluster.ts';
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

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const KUSTOMIZATION = join(PROJECT, 'manifests/default');

/** Where the demo runs: a cluster of our own, or the user's. */
interface Target {
  kubectl: Kubectl;
  kustomization: string;
  image: string;
  howToReach: string;
  end: () => Promise<void>;
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new DemoError(`stopped by ${signal}`)));

process.exitCode = await demo();

async function demo(): Promise<number> {
  const keep = (process.env['KEEP'] ?? '') !== '';
  const began = Date.now();
  let target: Target | undefined;
  let options: DemoOptions | undefined;
  let installed = false;
  let passed = false;
  try {
    target = await chooseTarget(process.env['KUBECONFIG'] ?? '', process.env['IMAGE'] ?? '');
    options = {
      kubectl: target.kubectl,
      kustomization: target.kustomization,
      samples: join(PROJECT, 'profiles'),
      podImage: target.image,
      print,
      signal: stop.signal,
    };
    await refuseWhenInstalled(options);
    installed = true;
    await install(options);
    await applySamples(options);
    await proveConfinement(options);
    await changePolicy(options);
    passed = true;
  } catch (error) {
    print(`\ndemo failed: ${error instanceof DemoError ? error.message : String(error instanceof Error ? error.stack : error)}`);
  }
  if (keep && target !== undefined && !stop.signal.aborted) {
    print(`\nKEEP=1: the cluster stays up.\n${target.howToReach}`);
  } else {
    if (options !== undefined && installed && target?.kustomization !== undefined) await cleanUpWhenShared(target, options);
    await target?.end();
  }
  if (passed) print(`\ndemo passed in ${Math.round((Date.now() - began) / 1000)} s`);
  return passed ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
