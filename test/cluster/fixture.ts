import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultCacheFolder } from '../testbed/cache.ts';
import { startControlPlane, type ControlPlane } from '../testbed/control-plane.ts';
import { createOwner, interruption } from '../testbed/process.ts';

/**
 * The one real control plane that all cluster tests of a run share, with the project's CRDs. Importing this file is
 * what starts it before the first test and ends it after the last, so one test file can be run by mocha alone.
 */
export function controlPlane(): ControlPlane {
  if (shared.controlPlane === undefined) throw new Error('controlPlane() is there in hooks and tests only');
  return shared.controlPlane;
}

/** Begins the names of the objects that a test makes, different for every test: `t-1f3a9c20-`. */
export function namePrefix(test: Mocha.Context): string {
  const title = test.test?.fullTitle() ?? test.currentTest?.fullTitle() ?? '';
  return `t-${createHash('sha256').update(title).digest('hex').slice(0, 8)}-`;
}

// Mocha gives root hooks nothing else that tests could read typed, so the fixture has to remember it.
const shared: { controlPlane?: ControlPlane } = {};
const owner = createOwner();
const signal = interruption();

before('start the control plane', async function () {
  // From nothing, the binary has to be built first.
  this.timeout(60 * 60_000);
  const folder = await mkdtemp(join(tmpdir(), 'apparmor-operator-'));
  owner.add(() => rm(folder, { recursive: true, force: true }));
  const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };
  const started = await startControlPlane({ cache, folder, signal });
  owner.add(started.stop);
  await installCrds(started);
  shared.controlPlane = started;
});

after('stop the control plane', async function () {
  this.timeout(60_000);
  await owner.stop();
});

async function installCrds({ kubectl }: ControlPlane): Promise<void> {
  const crds = join(import.meta.dirname, '../../crds');
  const applied = await kubectl(['apply', '--server-side', `--kustomize=${crds}`]);
  if (applied.code !== 0) throw new Error(`the CRDs were refused: ${applied.stderr}`);
  const established = await kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=60s']);
  if (established.code !== 0) throw new Error(`the CRDs are not established: ${established.stderr}`);
}
