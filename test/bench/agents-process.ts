import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { runAgent } from '../../src/agent/agent.ts';
import { SHORT_LIMITS } from '../../src/agent/compile-limits.ts';
import { systemClock } from '../../src/kube/clock.ts';
import { createTransport } from '../../src/kube/transport.ts';
import { createLogger } from '../../src/log.ts';
import { compilePolicy, parserVersion, type CompilerPaths } from '../../src/policy/compile.ts';
import { LONG_LIMITS } from '../../src/policy/compile-limits.ts';
import { createRequestCount, type RequestFigures } from './request-count.ts';
import { benchKernel, slowClock, stubCompiler } from './stand-ins.ts';

/** `node agents-process.ts FILE`, with this as the file's JSON. */
export interface AgentsFile {
  url: string;
  /** PEM file. */
  authority: string;
  namespace: string;
  /** Holds `node` (what all nodes have alike) and gets `state`. */
  folder: string;
  /** Unix socket at which figures are asked for. */
  socket: string;
  agents: readonly { node: string; token: string }[];
  /** Milliseconds between the starts of two agents of this process. */
  startEveryMs: number;
  /** How many times slower than this machine's their clocks go. */
  clockTimes: number;
  /** Absent: the stub. */
  compiler?: CompilerPaths;
}

/** What `GET /` on the socket answers. */
export interface AgentsFigures {
  agents: number;
  requests: RequestFigures;
  cpuSeconds: number;
  residentBytes: number;
  /** When a kernel of this process last got a policy, in milliseconds since the epoch; 0: never. */
  lastLoadAt: number;
}

/** Runs the agents of many nodes in this process until it is told to stop. */
async function main(file: AgentsFile): Promise<void> {
  const ca = readFileSync(file.authority);
  const requests = createRequestCount(systemClock);
  const log = createLogger({ level: 'warn', component: 'agents' });
  const stub = stubCompiler();
  const clock = slowClock(systemClock, file.clockTimes);
  let lastLoadAt = 0;
  const stops: AbortController[] = [];
  const shared = join(file.folder, 'node');

  const runOne = async ({ node, token }: AgentsFile['agents'][number], index: number): Promise<void> => {
    const stop = new AbortController();
    stops.push(stop);
    await systemClock.sleep(index * file.startEveryMs, stop.signal);
    if (stop.signal.aborted) return;
    const access = { url: file.url, ca, token: async () => token };
    const transport = createTransport(access, { userAgent: 'apparmor-operator-agent', timeoutMs: 30_000 });
    try {
      await runAgent(
        {
          node,
          namespace: file.namespace,
          stateFolder: join(file.folder, 'state', node),
          proc: join(shared, 'proc'),
          compiler: file.compiler ?? stubPaths(shared, file.folder),
          limits: { short: SHORT_LIMITS, long: LONG_LIMITS },
          healthPort: 0,
        },
        {
          kernel: benchKernel(() => (lastLoadAt = Date.now())),
          transport: requests.counting(transport),
          compile: file.compiler === undefined ? stub : compilePolicy,
          parserVersion: file.compiler === undefined ? async () => '4.1.0' : parserVersion,
          log: log.child({ node }),
          metrics: new Registry(),
          clock,
          random: Math.random,
          signal: stop.signal,
          // The agents of one process would each stop all others for it.
          collectGarbage: () => undefined,
        },
      );
    } finally {
      await transport.close();
    }
  };

  const server = createServer((_request, response) => {
    const { user, system } = process.cpuUsage();
    const figures: AgentsFigures = {
      agents: file.agents.length,
      requests: requests.figures(),
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
      lastLoadAt,
    };
    response.end(JSON.stringify(figures));
  });
  server.listen(file.socket);
  process.once('SIGTERM', () => stops.forEach((stop) => stop.abort()));
  try {
    await Promise.all(file.agents.map(runOne));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function stubPaths(shared: string, workFolder: string): CompilerPaths {
  return {
    parser: join(shared, 'parser'),
    prlimit: '',
    basePath: join(shared, 'base'),
    features: join(shared, 'features'),
    workFolder,
  };
}

await main(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as AgentsFile);
