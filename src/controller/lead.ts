import { announceOn } from './announce.ts';
import { startCaches, type Caches } from './caches.ts';
import type { ControllerOptions, ControllerParts } from './controller.ts';
import { createAgentsKeeper } from './daemonset/keep-agents.ts';
import { listenersOf } from './listeners.ts';
import type { WatchedKind } from './controller-health.ts';
import type { ControllerMetrics } from './metrics.ts';
import { createAgentPresence, type AgentState } from './nodes/agent-presence.ts';
import { createNodeKeeper } from './nodes/keep-node.ts';
import type { NodeView } from './nodes/node-view.ts';
import { startQueues, type Queues } from './queues.ts';
import { createRevisionsKeeper } from './revisions/keep-revisions.ts';
import { createRevisionIndex } from './revisions/revision-index.ts';
import { createStatusKeeper } from './status/keep-status.ts';
import type { NodeFacts } from './status/node-outcome.ts';

export interface LeadParts extends ControllerParts {
  metrics: ControllerMetrics;
}

/**
 * One term of leadership: watches, and keeps everything right, until the signal aborts. Nothing is reconciled before every
 * first list is in: what is not known yet must not look as if it did not exist. Leaves nothing running.
 */
export async function lead(options: ControllerOptions, parts: LeadParts): Promise<void> {
  const { client, clock, logger } = parts;
  const { namespace } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([parts.signal, stop.signal]);
  const announce = announceOn(parts.events);
  const presence = createAgentPresence(() => clock.now());
  const index = createRevisionIndex();

  const profile = (name: string) => caches.profiles.get(name);
  const revisionsOf = (objectUid: string) => index.of(objectUid);
  const agent = (node: NodeView) => presence.of(node);
  const everyStatus = (): void => caches.profiles.keys().forEach((name) => queues.add('status', name));
  const revisions = createRevisionsKeeper({
    client,
    namespace,
    logger,
    announce,
    profile,
    profiles: () => caches.profiles.values(),
    revisionsOf,
    onProblem: (name) => queues.add('status', name),
  });
  const statuses = createStatusKeeper({
    client,
    clock,
    announce,
    profile,
    revisionsOf,
    nodes: () => nodeFacts(caches, agent),
    nodeCount: () => caches.nodes.size(),
    publishProblem: (name) => revisions.problem(name),
  });
  const nodes = createNodeKeeper({
    client,
    logger,
    node: (name) => caches.nodes.get(name),
    row: (name) => caches.rows.get(name),
    agent,
    onAgentChange: everyStatus,
  });
  const agents = createAgentsKeeper(options, {
    client,
    clock,
    events: parts.events,
    logger,
    live: () => caches.daemonSets.values()[0],
  });

  const queues: Queues = startQueues(
    {
      revisions: (key, signal) => revisions.keep(key, signal),
      nodes: (key, signal) => nodes.keep(key, signal),
      daemonset: (key, signal) => agents.keep(key, signal),
      status: (key, signal) => statuses.keep(key, signal),
    },
    parts,
  );
  const caches: Caches = startCaches(
    {
      transport: parts.transport,
      namespace,
      clock,
      random: parts.random,
      signal,
      onError: (kind, error, retryInMs) => logger.warn('watch', { kind, error, retryInMs }),
    },
    listenersOf({ queues, presence, index, everyStatus, profiles: () => caches.profiles.values(), forget }),
  );

  function forget(name: string): void {
    statuses.forget(name);
    revisions.forget(name);
  }

  const kinds = Object.entries(caches) as [string, Caches[keyof Caches]][];
  parts.health.watching(kinds.map(([kind, cache]) => watched(kind, cache)));
  try {
    await Promise.all(kinds.map(([, cache]) => cache.ready));
    parts.metrics.leading({
      queues: () => queues.sizes(),
      profiles: () => caches.profiles.values(),
      nodes: () => nodeFacts(caches, agent),
    });
    queues.open();
    caches.profiles.keys().forEach((name) => queues.add('revisions', name));
    caches.nodes.keys().forEach((name) => queues.add('nodes', name));
    queues.add('daemonset', '');
    everyStatus();
    await aborted(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
    parts.metrics.leading(undefined);
    parts.health.watching([]);
    await queues.stop();
    await Promise.all(kinds.map(([, cache]) => cache.stopped));
  }
}

function* nodeFacts(caches: Caches, agent: (node: NodeView) => AgentState): Generator<NodeFacts> {
  for (const node of caches.nodes.values()) {
    yield { node, row: caches.rows.get(node.name), agent: agent(node) };
  }
}

function watched(kind: string, cache: Caches[keyof Caches]): WatchedKind {
  return { kind, synced: () => cache.synced(), lastContact: () => cache.lastContact() };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
