import { POD_CONFIGURATIONS } from '../admission/pods/entries.ts';
import type { AppArmorNode } from '../api/generated/index.ts';
import { AGENT_DAEMONSET, REVIEW_WEBHOOK } from '../api/names.ts';
import { APPARMOR_NODE } from '../api/resources.ts';
import { canonicalJson } from '../api/revision.ts';
import type { Clock } from '../kube/clock.ts';
import {
  DAEMON_SETS,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NODES,
  PODS,
  RUNNING_PODS,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
  type KubeObject,
  type Resource,
} from '../kube/resource.ts';
import type { Transport } from '../kube/transport.ts';
import type { Logger } from '../log.ts';
import { startWatchCache, type WatchCache } from '../kube/watch-cache.ts';
import { AGENT_POD_LABELS, type DaemonSet } from './daemonset/agent-daemonset.ts';
import { sameAgentPod, viewAgentPod, type AgentPod, type AgentPodView } from './nodes/agent-pod.ts';
import { sameNode, viewNode, type KubeNode, type NodeView } from './nodes/node-view.ts';
import { createRowViewer, type RowView } from './nodes/row-view.ts';
import { createPodViewer, samePod, type KubePod, type PodView } from './pods/pod-view.ts';
import type { ProfileView } from './profiles/profile-view.ts';
import type { RevisionView } from './revisions/revision-view.ts';
import type { WebhookConfiguration } from './webhooks/webhook-configuration.ts';

/** Everything that the leader watches. */
export interface Caches {
  profiles: WatchCache<ProfileView>;
  revisions: WatchCache<RevisionView>;
  nodes: WatchCache<NodeView>;
  rows: WatchCache<RowView>;
  agentPods: WatchCache<AgentPodView>;
  /** Of all namespaces, those that are bound to a node and have not ended. */
  pods: WatchCache<PodView>;
  daemonSets: WatchCache<DaemonSet>;
  reviewWebhooks: WatchCache<WebhookConfiguration>;
  /** Those of the pod webhook; other operators' are left out. */
  podWebhooks: WatchCache<WebhookConfiguration>;
}

type Viewed<K extends keyof Caches> = Caches[K] extends WatchCache<infer P> ? P : never;

/** Called in the order of the watch, after the cache has the new state. */
export type CacheListeners = {
  [K in keyof Caches]: (key: string, now: Viewed<K> | undefined, before: Viewed<K> | undefined) => void;
};

export interface CacheParts {
  transport: Transport;
  namespace: string;
  clock: Clock;
  random: () => number;
  signal: AbortSignal;
  onError: (kind: string, error: unknown, retryInMs: number) => void;
}

/** What every cache of one replica is started with. */
export function cachePartsOf(
  namespace: string,
  { logger, ...parts }: Pick<CacheParts, 'transport' | 'clock' | 'random'> & { logger: Logger },
  signal: AbortSignal,
): CacheParts {
  return {
    transport: parts.transport,
    namespace,
    clock: parts.clock,
    random: parts.random,
    signal,
    onError: (kind, error, retryInMs) => logger.warn('watch', { kind, error, retryInMs }),
  };
}

/** What the leader alone watches; the rest is shared-caches.ts. */
export function startCaches(parts: CacheParts, on: CacheListeners): Omit<Caches, 'profiles' | 'revisions'> {
  const { namespace } = parts;
  return {
    nodes: startCache<KubeNode, NodeView>(parts, NODES, { project: viewNode, same: sameNode, onChange: on.nodes }),
    rows: startCache<AppArmorNode, RowView>(parts, APPARMOR_NODE, {
      project: createRowViewer(),
      same: (now, before) => canonicalJson(now) === canonicalJson(before),
      onChange: on.rows,
    }),
    agentPods: startCache<AgentPod, AgentPodView>(parts, PODS, {
      namespace,
      labelSelector: Object.entries(AGENT_POD_LABELS)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      project: viewAgentPod,
      same: sameAgentPod,
      onChange: on.agentPods,
    }),
    pods: startCache<KubePod, PodView>(parts, PODS, {
      fieldSelector: RUNNING_PODS,
      project: createPodViewer(),
      same: samePod,
      onChange: on.pods,
    }),
    daemonSets: startCache<DaemonSet, DaemonSet>(parts, DAEMON_SETS, {
      namespace,
      fieldSelector: `metadata.name=${AGENT_DAEMONSET}`,
      project: (object) => object,
      onChange: on.daemonSets,
    }),
    reviewWebhooks: startCache<WebhookConfiguration, WebhookConfiguration>(parts, VALIDATING_WEBHOOK_CONFIGURATIONS, {
      fieldSelector: `metadata.name=${REVIEW_WEBHOOK}`,
      project: (object) => object,
      onChange: on.reviewWebhooks,
    }),
    podWebhooks: startCache<WebhookConfiguration, WebhookConfiguration>(parts, MUTATING_WEBHOOK_CONFIGURATIONS, {
      project: (object) => (POD_CONFIGURATIONS.includes(object.metadata.name) ? object : undefined),
      onChange: on.podWebhooks,
    }),
  };
}

interface Watched<T extends KubeObject, P> {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  metadataOnly?: boolean;
  project: (object: T) => P | undefined;
  same?: (now: P, before: P) => boolean;
  onChange: (key: string, now: P | undefined, before: P | undefined) => void;
}

export function startCache<T extends KubeObject, P>(
  parts: CacheParts,
  resource: Resource,
  watched: Watched<T, P>,
): WatchCache<P> {
  return startWatchCache<T, P>({
    transport: parts.transport,
    resource,
    clock: parts.clock,
    random: parts.random,
    signal: parts.signal,
    onError: (error, retryInMs) => parts.onError(resource.kind, error, retryInMs),
    ...watched,
  });
}
