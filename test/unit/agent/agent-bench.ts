import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { runAgent } from '../../../src/agent/agent.ts';
import { systemClock } from '../../../src/kube/clock.ts';
import type { Clock } from '../../../src/kube/clock.ts';
import { createInMemoryKernel } from '../kernel/in-memory-kernel.ts';
import type { InMemoryKernel } from '../kernel/in-memory-kernel.ts';
import { createInMemoryApi } from './in-memory-api.ts';
import type { InMemoryApi } from './in-memory-api.ts';
import { createInMemoryCompiler } from './in-memory-compiler.ts';
import type { InMemoryCompiler } from './in-memory-compiler.ts';
import { silentLog } from './silent-log.ts';

/** Pauses of seconds become some milliseconds; the minutes of a watch's life stay. */
const quickClock: Clock = {
  ...systemClock,
  now: () => systemClock.now(),
  date: () => systemClock.date(),
  sleep: (ms, signal) => systemClock.sleep(ms > 30_000 ? ms : Math.min(ms, 15), signal),
};

const LIMITS = { addressSpaceBytes: 1, wallClockMs: 1, outputBytes: 1 };

export interface RunningAgent {
  ended: Promise<void>;
  stop(): Promise<void>;
  get(path: string): Promise<{ status: number; body: string }>;
}

export interface AgentBench {
  /** Holds the node's /proc, the parser's files and, in `state`, the state folder. */
  folder: string;
  api: InMemoryApi;
  /** Another one: the node was restarted. */
  kernel: InMemoryKernel;
  compiler: InMemoryCompiler;
  /** Stopped by `stop`. */
  running: RunningAgent[];
  start(): Promise<RunningAgent>;
  stop(): Promise<void>;
  /** Of the AppArmorNode's status. */
  loaded(): Record<string, string>;
  problems(): ReportedProblem[];
  /** Lets a process of this id run under a label; none: it has ended. */
  process(pid: number, label: string | undefined): Promise<void>;
}

export interface ReportedProblem {
  state: string;
  reason: string;
  profile: string;
  message: string;
  line?: number;
}

/** A whole agent between an API server, a kernel and a compiler in memory, with a state folder on the disk. */
export async function createAgentBench(): Promise<AgentBench> {
  const folder = await mkdtemp(join(tmpdir(), 'agent-'));
  await mkdir(join(folder, 'proc/sys/kernel/random'), { recursive: true });
  await writeFile(join(folder, 'proc/sys/kernel/random/boot_id'), 'boot-1\n');
  await writeFile(join(folder, 'proc/sys/kernel/osrelease'), '6.12.0\n');
  await writeFile(join(folder, 'proc/loadavg'), '0.10 0.20 0.30 1/1 1\n');
  for (const file of ['parser', 'features']) await writeFile(join(folder, file), 'one');
  await mkdir(join(folder, 'base'));

  async function start(): Promise<RunningAgent> {
    const stop = new AbortController();
    const listening = Promise.withResolvers<number>();
    const ended = runAgent(
      {
        node: 'node-a',
        namespace: 'apparmor-operator',
        stateFolder: join(folder, 'state'),
        proc: join(folder, 'proc'),
        compiler: {
          parser: join(folder, 'parser'),
          prlimit: '',
          basePath: join(folder, 'base'),
          features: join(folder, 'features'),
          workFolder: folder,
        },
        limits: { short: { ...LIMITS, cpuSeconds: 5 }, long: { ...LIMITS, cpuSeconds: 60 } },
        healthPort: 0,
      },
      {
        kernel: bench.kernel,
        transport: bench.api.transport,
        compile: (request) => bench.compiler.compile(request),
        parserVersion: async () => '4.1.0',
        log: silentLog(),
        metrics: new Registry(),
        clock: quickClock,
        random: () => 0,
        signal: stop.signal,
        collectGarbage: () => undefined,
        onListening: listening.resolve,
      },
    );
    const port = await Promise.race([listening.promise, ended.then(() => 0)]);
    ended.catch(() => undefined);
    const agent: RunningAgent = {
      ended,
      async stop() {
        stop.abort();
        await ended;
      },
      async get(path) {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`);
        return { status: answer.status, body: await answer.text() };
      },
    };
    bench.running.push(agent);
    return agent;
  }

  const bench: AgentBench = {
    folder,
    api: createInMemoryApi(),
    kernel: createInMemoryKernel(),
    compiler: createInMemoryCompiler(),
    running: [],
    start,
    async stop() {
      for (const agent of bench.running) await agent.stop();
      await rm(folder, { recursive: true, force: true });
    },
    loaded: () => (bench.api.status()?.['loaded'] ?? {}) as Record<string, string>,
    async process(pid, label) {
      const path = join(folder, 'proc', String(pid));
      await rm(path, { recursive: true, force: true });
      if (label === undefined) return;
      const attr = join(path, 'task', String(pid), 'attr/apparmor');
      await mkdir(attr, { recursive: true });
      await writeFile(join(attr, 'current'), label);
    },
    problems: () => (bench.api.status()?.['problems'] ?? []) as ReportedProblem[],
  };
  return bench;
}

/** Waits for what an agent does by itself; 8 s are far more than it ever takes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 8_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
