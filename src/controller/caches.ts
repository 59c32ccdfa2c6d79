import type { AppArmorNode, AppArmorProfile } from '../api/generated/index.ts';
import { AGENT_DAEMONSET, LABEL } from '../api/names.ts';
import { APPARMOR_NODE, APPARMOR_PROFILE } from '../api/resources.ts';
import { canonicalJson } from '../api/revision.ts';
import type { Clock } from '../kube/clock.ts';
import { CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS, type KubeObject, type Resource } from '../kube/resource.ts';
import type { Transport } from '../kube/transport.ts';
import { startWatchCache, type WatchCache } from '../kube/watch-cache.ts';
import { AGENT_POD_LABELS, type DaemonSet } from './daemonset/agent-daemonset.ts';
import { sameAgentPod, viewAgentPod, type AgentPod, type AgentPodView } from './nodes/agent-pod.ts';
import { sameNode, viewNode, type KubeNode, type NodeView } from './nodes/node-view.ts';
import { viewRow, type RowView } from './nodes/row-view.ts';
import { viewProfile, type ProfileView } from './profiles/profile-view.ts';
import { viewRevision, type ControllerRevision, type RevisionView } from './revisions/revision-view.ts';

/** Everything that the leader watches. */
export interface Caches {
  profiles: WatchCache<ProfileView>;
  revisions: WatchCache<RevisionView>;
  nodes: WatchCache<NodeView>;
  rows: WatchCache<RowView>;
  pods: WatchCache<AgentPodView>;
  daemonSets: WatchCache<DaemonSet>;
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

export function startCaches(parts: CacheParts, on: CacheListeners): Caches {
  const profiles: WatchCache<ProfileView> = start<AppArmorProfile, ProfileView>(parts, APPARMOR_PROFILE, {
    project: (object) => viewProfile(object, profiles.get(object.metadata.name)),
    onChange: on.profiles,
  });
  const { namespace } = parts;
  return {
    profiles,
    revisions: start<ControllerRevision, RevisionView>(parts, CONTROLLER_REVISIONS, {
      namespace,
      labelSelector: `${LABEL.revision}=true`,
      project: viewRevision,
      onChange: on.revisions,
    }),
    nodes: start<KubeNode, NodeView>(parts, NODES, { project: viewNode, same: sameNode, onChange: on.nodes }),
    rows: start<AppArmorNode, RowView>(parts, APPARMOR_NODE, {
      project: viewRow,
      same: (now, before) => canonicalJson(now) === canonicalJson(before),
      onChange: on.rows,
    }),
    pods: start<AgentPod, AgentPodView>(parts, PODS, {
      namespace,
      labelSelector: Object.entries(AGENT_POD_LABELS)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
      project: viewAgentPod,
      same: sameAgentPod,
      onChange: on.pods,
    }),
    daemonSets: start<DaemonSet, DaemonSet>(parts, DAEMON_SETS, {
      namespace,
      fieldSelector: `metadata.name=${AGENT_DAEMONSET}`,
      project: (object) => object,
      onChange: on.daemonSets,
    }),
  };
}

interface Watched<T extends KubeObject, P> {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  project: (object: T) => P | undefined;
  same?: (now: P, before: P) => boolean;
  onChange: (key: string, now: P | undefined, before: P | undefined) => void;
}

function start<T extends KubeObject, P>(parts: CacheParts, resource: Resource, watched: Watched<T, P>): WatchCache<P> {
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
