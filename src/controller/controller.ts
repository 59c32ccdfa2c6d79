import type { Registry } from 'prom-client';
import { POD_WEBHOOK_PATH } from '../admission/pods/entries.ts';
import { createPodHandler } from '../admission/pods/handler.ts';
import type { CertificateStore } from '../admission/certificate/store.ts';
import { createProfileReviewHandler } from '../admission/review/handler.ts';
import { countPodsUsing } from '../admission/review/pods-in-use.ts';
import { createTrialCompiler, reviewBudget } from '../admission/review/trial.ts';
import { CONTROLLER_LEASE } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../kube/clock.ts';
import type { EventRecorder } from '../kube/events.ts';
import { runLeaderElection } from '../kube/leader-election.ts';
import type { Transport } from '../kube/transport.ts';
import type { Logger } from '../log.ts';
import type { ControllerHealth } from './controller-health.ts';
import type { CompilerPaths } from '../policy/compile.ts';
import { lead } from './lead.ts';
import { createControllerMetrics } from './metrics.ts';
import { cachePartsOf } from './caches.ts';
import { startPodRules } from './pods/pod-rules.ts';
import { namedProfiles, type KubePod } from './pods/pod-view.ts';
import { startSharedCaches, watchedShared } from './shared-caches.ts';
import { startAdmission } from './webhooks/admission.ts';
import { REVIEW_PATH } from './webhooks/review-webhook.ts';

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
  /** Where this replica serves the webhooks; 0: any free port. */
  webhookPort: number;
  /** Where the API server reaches it, without a trailing slash; absent: by the Service of the manifests. */
  webhookUrl?: string;
  /** What policies are compiled with on trial. */
  compiler: CompilerPaths;
  /** Seconds that a review at `kubectl apply` gives a policy to compile. */
  reviewSeconds: number;
}

export interface ControllerParts {
  transport: Transport;
  client: KubeClient;
  events: EventRecorder;
  registry: Registry;
  health: ControllerHealth;
  certificates: CertificateStore;
  logger: Logger;
  clock: Clock;
  random: () => number;
  /** Ends the controller. */
  signal: AbortSignal;
}

/** The API server gives a call 5 s; the watches are behind by milliseconds. */
const RULE_WAIT_MS = 2000;

/**
 * Runs the controller until the signal aborts: every replica serves the webhooks, one leads and keeps everything right, the
 * others wait for its Lease. Releases the Lease, answers the last calls and writes the last Events before it resolves.
 * Rejects only if the webhooks' port cannot be used.
 */
export async function runController(options: ControllerOptions, parts: ControllerParts): Promise<void> {
  const { clock, logger, transport } = parts;
  const metrics = createControllerMetrics(parts.registry);
  const stop = new AbortController();
  const trial = createTrialCompiler(options.compiler);
  const budget = reviewBudget(options.reviewSeconds);
  const cacheParts = cachePartsOf(options.namespace, parts, stop.signal);
  const shared = startSharedCaches(cacheParts);
  const podRules = startPodRules(shared, parts.client, cacheParts);
  parts.health.watching(watchedShared(shared, podRules));
  const review = createProfileReviewHandler({
    trial,
    budget,
    claimants: () => shared.claimants(),
    inForce: (uid) => shared.inForce(uid),
    podsUsing: (profiles, signal) =>
      countPodsUsing<KubePod>(profiles, { transport, clock, named: namedProfiles }, signal),
    logger,
  });
  const confine = createPodHandler({
    ownNamespace: options.namespace,
    book: podRules.book,
    cachedLabels: (name) => podRules.namespaces.get(name),
    readLabels: (name, signal) => podRules.readLabels(name, signal),
    waitMs: RULE_WAIT_MS,
    someNodeCannotEnforce: () => (shared.unableNodes.synced() ? shared.unableNodes.size() > 0 : undefined),
    clock,
  });
  const handlers = new Map([
    [REVIEW_PATH, review],
    [POD_WEBHOOK_PATH, confine],
  ]);
  try {
    const admission = await startAdmission(options, { ...parts, handlers });
    logger.info('serving webhooks', { port: admission.port, paths: [...handlers.keys()] });
    await runLeaderElection({
      client: parts.client,
      namespace: options.namespace,
      name: CONTROLLER_LEASE,
      identity: options.identity,
      clock,
      random: parts.random,
      signal: parts.signal,
      onLeading: async (signal) => {
        logger.info('leading', { identity: options.identity });
        await lead(options, { ...parts, metrics, admission, shared, podRules, trial, reviewBudget: budget, signal });
        logger.info('no longer leading', { identity: options.identity });
      },
      onError: (error) => logger.warn('leader election', { error }),
    });
    await admission.stop();
    await parts.events.flush();
  } finally {
    stop.abort();
    await Promise.all([
      trial.stop(),
      shared.profiles.stopped,
      shared.revisions.stopped,
      shared.unableNodes.stopped,
      podRules.stopped,
    ]);
  }
}
