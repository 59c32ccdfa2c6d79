import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { bundle } from '../../scripts/bundle.ts';
import type { CompilerPaths } from '../../src/policy/compile.ts';
import type { ControlPlane } from '../testbed/control-plane.ts';
import { createOwner, start, type OwnedProcess } from '../testbed/process.ts';
import type { AgentsFigures, AgentsFile } from './agents-process.ts';
import { BOOT_ID, type NodeIdentity } from './nodes.ts';
import { LOWEST_PRIORITY, yieldToSessions } from './priority.ts';
import { addedUp, type RequestFigures } from './request-count.ts';

/** The agents of all nodes, in few processes. */
export interface Fleet {
  pids: ReadonlySet<number>;
  figures(): Promise<FleetFigures>;
  /** Throws if a process has ended. */
  check(): void;
  /** The end of the agents' logs, warnings and errors only. */
  log(): string;
  stop(): Promise<void>;
}

export interface FleetFigures {
  requests: RequestFigures;
  cpuSeconds: number;
  residentBytes: number;
  /** When a kernel last got a policy, in milliseconds since the epoch; 0: never. */
  lastLoadAt: number;
}

/** One process has one thread; more processes than cores would only add memory. */
const AGENTS_PER_PROCESS = 500;

/** Of all processes together. A DaemonSet's controller creates its pods more slowly: 20 to 50 a second. */
const STARTS_PER_SECOND = 100;

export async function startFleet(
  identities: readonly NodeIdentity[],
  options: {
    controlPlane: ControlPlane;
    namespace: string;
    folder: string;
    nodeFlags: readonly string[];
    /** How many times slower than this machine's the agents' clocks go. */
    clockTimes: number;
    signal: AbortSignal;
    /** For one agent: as in the image, bundled, with the image's options of Node.js and with this parser. */
    compiler?: CompilerPaths;
  },
): Promise<Fleet> {
  const { controlPlane, namespace, folder, signal, compiler } = options;
  const owner = createOwner();
  await writeNodeFiles(join(folder, 'node'));
  const program = await agentsProgram(folder, options);
  const processes: { process: OwnedProcess; socket: string }[] = [];
  const startEveryMs = (1000 / STARTS_PER_SECOND) * Math.ceil(identities.length / AGENTS_PER_PROCESS);
  for (let first = 0; first < identities.length; first += AGENTS_PER_PROCESS) {
    const socket = join(folder, `agents-${first}.sock`);
    const file: AgentsFile = {
      url: controlPlane.url,
      authority: controlPlane.authority.certificate,
      namespace,
      folder,
      socket,
      agents: identities.slice(first, first + AGENTS_PER_PROCESS),
      startEveryMs,
      clockTimes: options.clockTimes,
      ...(compiler === undefined ? {} : { compiler }),
    };
    const path = join(folder, `agents-${first}.json`);
    await writeFile(path, JSON.stringify(file), { mode: 0o600 });
    // In a cluster an API server does not share its processors with its nodes. Measured at equal priority: of two cores ten of these
    // processes had 1.5, and the API server, with 5,000 requests waiting, a third of one.
    const process = start('nice', ['-n', String(LOWEST_PRIORITY), ...program, path], {
      name: `agents from ${first} on`,
      logFile: join(folder, `agents-${first}.log`),
      signal,
    });
    owner.add(process.stop);
    if (process.pid !== undefined) await yieldToSessions(process.pid);
    processes.push({ process, socket });
  }
  return {
    pids: new Set(processes.map(({ process }) => process.pid ?? 0)),
    async figures() {
      const all = await Promise.all(processes.map(({ socket }) => ask(socket)));
      return {
        requests: addedUp(all.map(({ requests }) => requests)),
        cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
        residentBytes: all.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
        lastLoadAt: Math.max(0, ...all.map(({ lastLoadAt }) => lastLoadAt)),
      };
    },
    check() {
      const dead = processes.find(({ process }) => !process.running())?.process;
      if (dead !== undefined) throw new Error(`${dead.name} has ended: ${dead.outputTail()}`);
    },
    log: () => processes.map(({ process }) => process.outputTail()).join('\n'),
    stop: owner.stop,
  };
}

async function agentsProgram(
  folder: string,
  { nodeFlags, compiler }: { nodeFlags: readonly string[]; compiler?: CompilerPaths },
): Promise<string[]> {
  const entry = join(import.meta.dirname, 'agents-process.ts');
  if (compiler === undefined) return [globalThis.process.execPath, ...nodeFlags, entry];
  const output = join(folder, 'agents-process.mjs');
  await bundle('agent', { entry, output });
  return asInImage(output, nodeFlags);
}

/** The image's entry point, with this machine's Node.js and the program given. */
async function asInImage(program: string, nodeFlags: readonly string[]): Promise<string[]> {
  const dockerfile = await readFile(join(import.meta.dirname, '../../Dockerfile'), 'utf8');
  const entryPoint = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile.replaceAll('\\\n', ''))?.[1] ?? '[]') as string[];
  const node = entryPoint.indexOf('/usr/local/bin/node');
  if (node < 0 || entryPoint.at(-1) !== '/app/agent.mjs') throw new Error('the Dockerfile starts something else');
  const options = entryPoint.slice(node + 1, -1);
  return [...entryPoint.slice(0, node), globalThis.process.execPath, ...options, ...nodeFlags, program];
}

/** What the agents read of their node and of their image. */
async function writeNodeFiles(folder: string): Promise<void> {
  const files = {
    'proc/sys/kernel/random/boot_id': `${BOOT_ID}\n`,
    'proc/sys/kernel/osrelease': '6.12.0\n',
    'proc/loadavg': '0.10 0.20 0.30 1/1 1\n',
    'base/abi': '',
    parser: 'stub',
    features: 'stub',
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

async function ask(socketPath: string): Promise<AgentsFigures> {
  const answer = Promise.withResolvers<string>();
  const asked = request({ socketPath, agent: false, timeout: 30_000 }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    response.once('end', () => answer.resolve(text)).once('error', answer.reject);
  });
  asked.once('timeout', () => asked.destroy(new Error('no figures within 30 s'))).once('error', answer.reject);
  asked.end();
  return JSON.parse(await answer.promise) as AgentsFigures;
}
