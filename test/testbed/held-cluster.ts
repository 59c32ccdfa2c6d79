import { spawn } from 'node:child_process';
import { access, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Cache } from './cache.ts';
import { startCluster } from './cluster.ts';
import { type GuestResult, openGuestChannel } from './guest-channel.ts';
import { importOperatorImage } from './operator.ts';
import { waitFor, withSignal } from './process.ts';
import { isAlive, processIdentity, type RunOwner, socketFolder } from './runs.ts';
import { shellSocket } from './vm.ts';

/** A cluster that outlives the command that started it: `make cluster`, `KEEP=1 make demo`. There is one at most per cache folder. */
export interface HeldCluster {
  /** The process that holds it: the cluster ends with it. */
  owner: RunOwner;
  kubeconfig: string;
  /** The control plane's binary, whose first argument picks the program. */
  binary: string;
  folder: string;
}

/** A cluster is up already, or could not be started. */
export class HeldClusterError extends Error {
  override name = 'HeldClusterError';
}

/** Starts a process that holds a cluster of two nodes, with the operator's image on them, and waits until it is ready. */
export async function startHeldCluster(cache: Cache): Promise<HeldCluster> {
  if ((await findHeldCluster(cache)) !== undefined) {
    throw new HeldClusterError('a cluster is up already: `make cluster-down` ends it');
  }
  await rm(stateFile(cache), { force: true });
  const log = join(cache.folder, 'cluster.log');
  const output = await open(log, 'w');
  const main = join(import.meta.dirname, 'main.ts');
  const holder = spawn(process.execPath, [main, 'hold'], { detached: true, stdio: ['ignore', output.fd, output.fd] });
  await output.close();
  const follower = followLog(log, cache.log);
  try {
    return await waitFor(
      'the cluster',
      { deadlineMs: 60 * 60_000, intervalMs: 500, ...withSignal(cache) },
      async () => {
        await follower.read();
        if (holder.exitCode !== null || holder.signalCode !== null) {
          // The condition of waitFor may not throw.
          return { failed: true as const };
        }
        return findHeldCluster(cache);
      },
    ).then((held) => {
      if ('failed' in held) throw new HeldClusterError(`the cluster did not start, see ${log}`);
      return held;
    });
  } catch (error) {
    holder.kill('SIGTERM');
    throw error;
  } finally {
    holder.unref();
  }
}

/** What the holding process does: start the cluster, say so, and keep it until the signal aborts. */
export async function holdCluster(cache: Cache, signal: AbortSignal): Promise<void> {
  const cluster = await startCluster({ cache, nodes: 2, signal });
  try {
    await importOperatorImage(cache, cluster);
    const owner = await processIdentity(process.pid);
    if (owner === undefined) throw new HeldClusterError('this process is not in /proc');
    const { kubeconfig, binary } = cluster.controlPlane;
    const state: HeldCluster = { owner, kubeconfig, binary, folder: cluster.folder };
    await writeFile(`${stateFile(cache)}.new`, JSON.stringify(state));
    await rename(`${stateFile(cache)}.new`, stateFile(cache));
    await aborted(signal);
  } finally {
    await rm(stateFile(cache), { force: true });
    await cluster.stop();
  }
}

/** The cluster that is up, if one is. */
export async function findHeldCluster(cache: Cache): Promise<HeldCluster | undefined> {
  const text = await readFile(stateFile(cache), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const held = JSON.parse(text) as HeldCluster;
  return (await isAlive(held.owner)) ? held : undefined;
}

/** Ends the cluster that is up; false if none is. */
export async function stopHeldCluster(cache: Cache): Promise<boolean> {
  const held = await findHeldCluster(cache);
  if (held === undefined) return false;
  process.kill(held.owner.pid, 'SIGTERM');
  await waitFor(
    'the end of the cluster',
    { deadlineMs: 60_000, intervalMs: 200 },
    async () => !(await isAlive(held.owner)),
  );
  return true;
}

/** Runs a command as root on a node of the cluster that is up. */
export async function runOnHeldNode(cache: Cache, node: string, command: readonly string[]): Promise<GuestResult> {
  const held = await findHeldCluster(cache);
  if (held === undefined) throw new HeldClusterError('no cluster is up: `make cluster` starts one');
  const socket = shellSocket(socketFolder(basename(held.folder)), node);
  await access(socket).catch(() => {
    throw new HeldClusterError(`no node ${node}`);
  });
  const channel = await openGuestChannel([socket], AbortSignal.timeout(5000));
  try {
    return await channel.run(command.length === 1 ? (command[0] ?? '') : command);
  } finally {
    channel.close();
  }
}

/** What to type to use it. */
export function howToReach(held: HeldCluster): string {
  return [
    'Use it, for example, like this:',
    `  export KUBECONFIG=${held.kubeconfig}`,
    `  alias kubectl='${held.binary} kubectl'`,
    '  kubectl get nodes',
    'On a node itself, as root: npm run testbed -- shell node-1 "COMMAND"',
    'Its nodes have the operator’s image: kubectl apply -k manifests/default',
    '`make cluster-down` ends it.',
  ].join('\n');
}

function stateFile(cache: Cache): string {
  return join(cache.folder, 'cluster.json');
}

function followLog(path: string, log: (line: string) => void): { read(): Promise<void> } {
  let shown = 0;
  return {
    read: async () => {
      const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
      for (const line of lines.slice(shown)) log(line);
      shown = lines.length;
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // The signal alone would not keep the process running.
    const keepRunning = setInterval(() => undefined, 60_000);
    signal.addEventListener('abort', () => {
      clearInterval(keepRunning);
      resolve();
    });
  });
}
