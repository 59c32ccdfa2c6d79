import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { createCertificateStore } from '../admission/certificate/store.ts';
import { DEFAULT_NAMESPACE, WEBHOOK_SECRET, WEBHOOK_SERVICE } from '../api/names.ts';
import { type Command, type Invocation, UsageError, wholeNumber } from '../command.ts';
import { startHealthServer } from '../health.ts';
import { type ApiServerAccess, inClusterAccess } from '../kube/access.ts';
import { createKubeClient } from '../kube/client.ts';
import { systemClock } from '../kube/clock.ts';
import { createEventRecorder } from '../kube/events.ts';
import { createTransport } from '../kube/transport.ts';
import { createLogger, isLogLevel, LOG_LEVELS, type LogLevel } from '../log.ts';
import { addProcessMetrics } from '../process-metrics.ts';
import { runController } from './controller.ts';
import { createControllerHealth } from './controller-health.ts';

const USAGE = `usage: apparmor-operator controller [flag ...]
  --kubeconfig FILE       outside a cluster: how to reach the API server (default: the pod's ServiceAccount)
  --namespace NAME        the operator's own namespace (default: the pod's, or ${DEFAULT_NAMESPACE})
  --agent-image IMAGE     image of the agents (default: that of the controller's own pod)
  --agent-log-level LEVEL (default: info)
  --health-port PORT      of /healthz, /readyz and /metrics; 0 picks a free one (default: 8080)
  --webhook-port PORT     of the admission webhooks; 0 picks a free one (default: 9443)
  --webhook-url URL       outside a cluster: https://HOST:PORT where the API server reaches the webhooks
                          (default: by the Service ${WEBHOOK_SERVICE})
  --apparmor-parser FILE  compiles policies on trial (default: /usr/sbin/apparmor_parser)
  --policy-folder FOLDER  of abi, abstractions and tunables (default: /etc/apparmor.d)
  --features FILE         of the kernels to compile for (default: abi/4.0 of the policy folder)
  --scratch-folder FOLDER for what the parser reads (default: /tmp)
  --review-seconds NUMBER that a review waits for a policy to compile, 1 to 9 (default: 8)
  --log-level LEVEL       ${LOG_LEVELS.join(', ')} (default: info)
`;

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The strictest of the feature files that come with the parser: of its own test corpus it refuses seven texts with bad D-Bus or
 * unix rules that Debian's default features let pass, and accepts none that those refuse (measured with 4.1).
 */
const FULL_FEATURES = 'abi/4.0';

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
  addProcessMetrics(registry);
  const podName = env['POD_NAME'];
  const identity = podName ?? `${hostname()}-${process.pid}`;
  const transport = createTransport(await reach(flags.kubeconfig, env), { userAgent: PROGRAM, timeoutMs: 30_000 });
  const client = createKubeClient(transport);
  const health = createControllerHealth(systemClock);
  const namespace = flags.namespace ?? env['POD_NAMESPACE'] ?? DEFAULT_NAMESPACE;
  const certificates = createCertificateStore({ secret: `${namespace}/${WEBHOOK_SECRET}`, clock: systemClock, logger });
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
    checks: { livez: { process: health.livez }, readyz: { watches: health.readyz, certificate: certificates.problem } },
    metrics: registry,
  });
  logger.info('started', { identity, healthPort: server.port });
  try {
    await runController(
      {
        namespace,
        identity,
        manager: PROGRAM,
        agentLogLevel: flags.agentLogLevel,
        webhookPort: flags.webhookPort,
        compiler: flags.compiler,
        reviewSeconds: flags.reviewSeconds,
        ...(flags.webhookUrl === undefined ? {} : { webhookUrl: flags.webhookUrl }),
        ...(podName === undefined ? {} : { podName }),
        ...(flags.agentImage === undefined ? {} : { agentImage: flags.agentImage }),
      },
      {
        transport,
        client,
        events,
        registry,
        health,
        certificates,
        logger,
        clock: systemClock,
        random: Math.random,
        signal,
      },
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
    webhookPort: wholeNumber('webhook-port', values['webhook-port'], { least: 0, most: 65_535 }),
    webhookUrl: webhookUrl(values['webhook-url']),
    // The API server waits 10 s for a webhook.
    reviewSeconds: wholeNumber('review-seconds', values['review-seconds'], { least: 1, most: 9 }),
    compiler: {
      parser: values['apparmor-parser'],
      prlimit: '/usr/bin/prlimit',
      basePath: values['policy-folder'],
      features: values.features ?? join(values['policy-folder'], FULL_FEATURES),
      workFolder: values['scratch-folder'],
    },
  };
}

function logLevel(flag: string, word: string): LogLevel {
  if (isLogLevel(word)) return word;
  throw new UsageError(`--${flag} takes one of ${LOG_LEVELS.join(', ')}, not '${word}'`);
}

/** As the API server takes it in a webhook configuration, without a trailing slash. */
function webhookUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(`--webhook-url takes https://HOST:PORT, not '${text}'`);
  }
  return url.href.replace(/\/+$/, '');
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
        'webhook-port': { type: 'string', default: '9443' },
        'webhook-url': { type: 'string' },
        'apparmor-parser': { type: 'string', default: '/usr/sbin/apparmor_parser' },
        'policy-folder': { type: 'string', default: '/etc/apparmor.d' },
        features: { type: 'string' },
        'scratch-folder': { type: 'string', default: '/tmp' },
        'review-seconds': { type: 'string', default: '8' },
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
