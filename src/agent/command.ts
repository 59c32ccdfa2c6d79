import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { Registry } from 'prom-client';
import { DEFAULT_NAMESPACE } from '../api/names.ts';
import { type Command, type Invocation, requiredVariable, UsageError, wholeNumber } from '../command.ts';
import { openAppArmorKernel } from '../kernel/apparmor.ts';
import { inClusterAccess } from '../kube/access.ts';
import { systemClock } from '../kube/clock.ts';
import { createTransport } from '../kube/transport.ts';
import { createLogger, isLogLevel, LOG_LEVELS } from '../log.ts';
import { compilePolicy, parserVersion } from '../policy/compile.ts';
import { LONG_LIMITS } from '../policy/compile-limits.ts';
import { addProcessMetrics } from '../process-metrics.ts';
import { runAgent } from './agent.ts';
import { SHORT_LIMITS } from './compile-limits.ts';

const USAGE = `usage: apparmor-operator agent --node NAME [flag ...]
  --node NAME             the Node that this agent runs on
  --namespace NAME        where the ControllerRevisions are (default: the pod's, or ${DEFAULT_NAMESPACE})
  --securityfs FOLDER     the node's securityfs (default: /sys/kernel/security)
  --proc FOLDER           the node's /proc (default: /host/proc)
  --state-folder FOLDER   (default: /var/lib/apparmor-operator)
  --scratch-folder FOLDER for what the parser reads (default: /tmp)
  --health-port PORT      of /healthz, /readyz and /metrics; 0 picks a free one (default: 8081)
  --log-level LEVEL       ${LOG_LEVELS.join(', ')} (default: info)
`;

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The image's own: what a node has installed must not change what is loaded on it. */
const PARSER = {
  parser: '/usr/sbin/apparmor_parser',
  prlimit: '/usr/bin/prlimit',
  basePath: '/etc/apparmor.d',
} as const;

/** Keeps the kernel of the node it runs on as the revisions say, until it is asked to stop. */
export const agentCommand: Command = async (invocation) => {
  try {
    return await agent(invocation);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n${USAGE}`);
    return 2;
  }
};

async function agent({ args, env, signal }: Invocation): Promise<number> {
  const flags = parse(args);
  if (flags.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  // Memory grows half as much under churn. Only now: on the command line it would make loading the program twice as slow.
  setFlagsFromString('--optimize-for-size');
  if (flags.node === undefined) throw new UsageError('--node is missing');
  if (!isLogLevel(flags['log-level'])) throw new UsageError(`--log-level takes one of ${LOG_LEVELS.join(', ')}`);
  const healthPort = wholeNumber('health-port', flags['health-port'], { least: 0, most: 65_535 });
  const log = createLogger({ level: flags['log-level'], component: 'agent' }).child({ node: flags.node });
  const metrics = new Registry();
  addProcessMetrics(metrics);
  const access = await inClusterAccess({
    host: requiredVariable(env, 'KUBERNETES_SERVICE_HOST'),
    port: requiredVariable(env, 'KUBERNETES_SERVICE_PORT'),
    folder: SERVICE_ACCOUNT_FOLDER,
    now: () => systemClock.now(),
  });
  const transport = createTransport(access, { userAgent: 'apparmor-operator-agent', timeoutMs: 30_000 });
  try {
    await runAgent(
      {
        node: flags.node,
        namespace: flags.namespace ?? env['POD_NAMESPACE'] ?? DEFAULT_NAMESPACE,
        stateFolder: flags['state-folder'],
        proc: flags.proc,
        compiler: {
          ...PARSER,
          features: join(flags.securityfs, 'apparmor/features'),
          workFolder: flags['scratch-folder'],
        },
        limits: { short: SHORT_LIMITS, long: LONG_LIMITS },
        healthPort,
      },
      {
        kernel: openAppArmorKernel(flags.securityfs),
        transport,
        compile: compilePolicy,
        parserVersion,
        log,
        metrics,
        clock: systemClock,
        random: Math.random,
        signal,
        // With --expose-gc, as in the image. Of the kinds of collection only this gives pages back: 18.7 MB of its own instead of 21.7.
        collectGarbage: () => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
        onListening: (port) => log.info('started', { healthPort: port }),
      },
    );
    log.info('stopped; what is loaded stays loaded', { reason: String(signal.reason) });
    return 0;
  } finally {
    await transport.close();
  }
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        node: { type: 'string' },
        namespace: { type: 'string' },
        securityfs: { type: 'string', default: '/sys/kernel/security' },
        proc: { type: 'string', default: '/host/proc' },
        'state-folder': { type: 'string', default: '/var/lib/apparmor-operator' },
        'scratch-folder': { type: 'string', default: '/tmp' },
        'health-port': { type: 'string', default: '8081' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
