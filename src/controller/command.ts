import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { DEFAULT_NAMESPACE } from '../api/names.ts';
import { type Command, type Invocation, UsageError, wholeNumber } from '../command.ts';
import { startHealthServer } from '../health.ts';
import { type ApiServerAccess, inClusterAccess } from '../kube/access.ts';
import { createKubeClient } from '../kube/client.ts';
import { systemClock } from '../kube/clock.ts';
import { createEventRecorder } from '../kube/events.ts';
import { createTransport } from '../kube/transport.ts';
import { createLogger, isLogLevel, LOG_LEVELS, type LogLevel } from '../log.ts';
import { runController } from './controller.ts';
import { createControllerHealth } from './controller-health.ts';

const USAGE = `usage: apparmor-operator controller [flag ...]
  --kubeconfig FILE       outside a cluster: how to reach the API server (default: the pod's ServiceAccount)
  --namespace NAME        the operator's own namespace (default: the pod's, or ${DEFAULT_NAMESPACE})
  --agent-image IMAGE     image of the agents (default: that of the controller's own pod)
  --agent-log-level LEVEL (default: info)
  --health-port PORT      of /healthz, /readyz and /metrics; 0 picks a free one (default: 8080)
  --log-level LEVEL       ${LOG_LEVELS.join(', ')} (default: info)
`;

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** First word of the user agent, under which the API server notes our writes as a field manager. */
const PROGRAM = 'apparmor-operator-controller';

/** Reviews and publishes AppArmorProfiles, keeps the agents and reports what the nodes hold, until it is asked to stop. */
export const controllerCommand: Command = async (invocation) => {
  try {
    return await controller(invocation);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n${USAGE}`);
    return 2;
  }
};

async function controller({ args, env, signal }: Invocation): Promise<number> {
  const flags = readFlags(args);
  if (flags.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const logger = createLogger({ level: flags.logLevel, component: 'controller' });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const podName = env['POD_NAME'];
  const identity = podName ?? `${hostname()}-${process.pid}`;
  const transport = createTransport(await reach(flags.kubeconfig, env), { userAgent: PROGRAM, timeoutMs: 30_000 });
  const client = createKubeClient(transport);
  const health = createControllerHealth(systemClock);
  const events = createEventRecorder({
    client,
    controller: `apparmor-operator.dev/controller`,
    instance: identity,
    clock: systemClock,
    random: Math.random,
    onError: (error) => logger.warn('an Event was not written', { error }),
  });
  const server = await startHealthServer({
    port: flags.healthPort,
    checks: { livez: { process: health.livez }, readyz: { watches: health.readyz } },
    metrics: registry,
  });
  logger.info('started', { identity, healthPort: server.port });
  try {
    await runController(
      {
        namespace: flags.namespace ?? env['POD_NAMESPACE'] ?? DEFAULT_NAMESPACE,
        identity,
        manager: PROGRAM,
        agentLogLevel: flags.agentLogLevel,
        ...(podName === undefined ? {} : { podName }),
        ...(flags.agentImage === undefined ? {} : { agentImage: flags.agentImage }),
      },
      { transport, client, events, registry, health, logger, clock: systemClock, random: Math.random, signal },
    );
    logger.info('stopped', { reason: String(signal.reason) });
    return 0;
  } finally {
    await events.stop();
    await server.stop();
    await transport.close();
  }
}

function readFlags(args: readonly string[]) {
  const { values } = parse(args);
  return {
    help: values.help,
    kubeconfig: values.kubeconfig,
    namespace: values.namespace,
    agentImage: values['agent-image'],
    agentLogLevel: logLevel('agent-log-level', values['agent-log-level']),
    logLevel: logLevel('log-level', values['log-level']),
    healthPort: wholeNumber('health-port', values['health-port'], { least: 0, most: 65_535 }),
  };
}

function logLevel(flag: string, word: string): LogLevel {
  if (isLogLevel(word)) return word;
  throw new UsageError(`--${flag} takes one of ${LOG_LEVELS.join(', ')}, not '${word}'`);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        kubeconfig: { type: 'string' },
        namespace: { type: 'string' },
        'agent-image': { type: 'string' },
        'agent-log-level': { type: 'string', default: 'info' },
        'health-port': { type: 'string', default: '8080' },
        'log-level': { type: 'string', default: 'info' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function reach(kubeconfig: string | undefined, env: Invocation['env']): Promise<ApiServerAccess> {
  if (kubeconfig !== undefined) {
    // Only here: client-node costs an idle process some 40 MB, and a controller in its cluster does not need it.
    const { kubeconfigAccess } = await import('../kube/kubeconfig.ts');
    return kubeconfigAccess(kubeconfig);
  }
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (host === undefined || port === undefined) {
    throw new UsageError('this process runs in no cluster: give --kubeconfig FILE');
  }
  return inClusterAccess({ host, port, folder: SERVICE_ACCOUNT_FOLDER, now: () => systemClock.now() });
}
