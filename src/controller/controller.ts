import type { Registry } from 'prom-client';
import { CONTROLLER_LEASE } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../kube/clock.ts';
import type { EventRecorder } from '../kube/events.ts';
import { runLeaderElection } from '../kube/leader-election.ts';
import type { Transport } from '../kube/transport.ts';
import type { Logger } from '../log.ts';
import type { ControllerHealth } from './controller-health.ts';
import { lead } from './lead.ts';
import { createControllerMetrics } from './metrics.ts';

export interface ControllerOptions {
  /** The operator's own namespace: revisions, agents and the Lease live there. */
  namespace: string;
  /** Unique per process; the Lease shows it. */
  identity: string;
  /** Name under which the API server notes our PUTs: the first word of the transport's user agent. */
  manager: string;
  /** The controller's own pod, whose image the agents use by default; absent outside a cluster. */
  podName?: string;
  /** The agents' image where it is not that of the controller's own pod. */
  agentImage?: string;
  /** Log level of the agents. */
  agentLogLevel: string;
}

export interface ControllerParts {
  transport: Transport;
  client: KubeClient;
  events: EventRecorder;
  registry: Registry;
  health: ControllerHealth;
  logger: Logger;
  clock: Clock;
  random: () => number;
  /** Ends the controller. */
  signal: AbortSignal;
}

/**
 * Runs the controller until the signal aborts: one replica leads and keeps everything right, the others wait for its Lease.
 * Releases the Lease and writes the last Events before it resolves. Does not reject.
 */
export async function runController(options: ControllerOptions, parts: ControllerParts): Promise<void> {
  const { logger } = parts;
  const metrics = createControllerMetrics(parts.registry);
  await runLeaderElection({
    client: parts.client,
    namespace: options.namespace,
    name: CONTROLLER_LEASE,
    identity: options.identity,
    clock: parts.clock,
    random: parts.random,
    signal: parts.signal,
    onLeading: async (signal) => {
      logger.info('leading', { identity: options.identity });
      await lead(options, { ...parts, metrics, signal });
      logger.info('no longer leading', { identity: options.identity });
    },
    onError: (error) => logger.warn('leader election', { error }),
  });
  await parts.events.flush();
}
