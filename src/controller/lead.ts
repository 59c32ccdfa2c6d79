import { announceOn } from './announce.ts';
import { readAccepted } from './revisions/accepted-texts.ts';
import { createRevisionsKeeper } from './revisions/keep-revisions.ts';
import { configurationOfGroup } from '../admission/pods/entries.ts';
import type { TrialBudget, TrialCompiler } from '../admission/review/trial.ts';
import { cachePartsOf, startCaches, type Caches } from './caches.ts';
import type { ControllerOptions, ControllerParts } from './controller.ts';
import { createAgentsKeeper } from './daemonset/keep-agents.ts';
import { createEvictionsKeeper } from './evictions/keep-evictions.ts';
import { listenersOf } from './listeners.ts';
import { SILENCE_MS, watched } from './controller-health.ts';
import type { ControllerMetrics } from './metrics.ts';
import { createAgentPresence, type AgentState } from './nodes/agent-presence.ts';
import { createNodeKeeper } from './nodes/keep-node.ts';
import type { NodeView } from './nodes/node-view.ts';
import { createProofsKeeper } from './pods/keep-proofs.ts';
import { ruleStateOf } from './pods/rule-state.ts';
import { createMatchedPods } from './pods/matched-pods.ts';
import { createPodEvents } from './pods/pod-events.ts';
import { createPodIndex } from './pods/pod-index.ts';
import type { PodRules } from './pods/pod-rules.ts';
import { startQueues, type Queues } from './queues.ts';
import { claimantOf } from './profiles/profile-view.ts';
import type { ProfileView } from './profiles/profile-view.ts';
import { createReviewsKeeper } from './revisions/keep-reviews.ts';
import { watchedShared, type SharedCaches } from './shared-caches.ts';
import { createStatusKeeper } from './status/keep-status.ts';
import { nodeOutcome, type NodeFacts } from './status/node-outcome.ts';
import { createUnloadKeeper } from './unload/keep-unload.ts';
import { concernsUnload } from './unload/plan-unload.ts';
import type { Admission } from './webhooks/admission.ts';
import { createWebhooksKeeper } from './webhooks/keep-webhooks.ts';

export interface LeadParts extends ControllerParts {
  metrics: ControllerMetrics;
  admission: Admission;
  shared: SharedCaches;
  podRules: PodRules;
  trial: TrialCompiler;
  /** Of the first trial of a text. */
  reviewBudget: TrialBudget;
}

/**
 * One term of leadership: watches, and keeps everything right, until the signal aborts. Nothing is reconciled before every
 * first list is in: what is not known yet must not look as if it did not exist. Leaves nothing running.
 */
export async function lead(options: ControllerOptions, parts: LeadParts): Promise<void> {
  const { admission, client, clock, logger, podRules, shared } = parts;
  const { namespace } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([parts.signal, stop.signal]);
  const announce = announceOn(parts.events);
  const presence = createAgentPresence(() => clock.now());
  const podIndex = createPodIndex();
  const matchedPods = createMatchedPods({
    ownNamespace: namespace,
    namespaceLabels: (name) => podRules.namespaces.get(name),
    host: (name) => ({ node: caches.nodes.get(name), row: caches.rows.get(name) }),
    revisionsOf: (objectUid) => shared.revisionsOf(objectUid),
    onChange: ({ name }) => queues.add('status', name),
  });

  const profile = (name: string) => caches.profiles.get(name);
  const revisionsOf = (objectUid: string) => shared.revisionsOf(objectUid);
  const agent = (node: NodeView) => presence.of(node);
  const everyStatus = (): void => caches.profiles.keys().forEach((name) => queues.add('status', name));
  const everyUnload = (): void =>
    caches.rows.values().forEach((row) => {
      if (concernsUnload(row)) queues.add('unloads', row.name);
    });
  const read = (view: ProfileView, signal: AbortSignal) =>
    readAccepted(view, { recent: shared.recentTexts, client }, signal);
  const revisions = createRevisionsKeeper({
    client,
    read,
    namespace,
    logger,
    announce,
    profile,
    claimant: (profile) => claimantOf(profile, shared.inForce(profile.uid)),
    claimants: () => shared.claimants(),
    revisionsOf,
    trialState: (profile) => reviews.state(profile),
    startTrial: (name) => queues.add('reviews', name),
    onProblem: (name) => queues.add('status', name),
  });
  const reviews = createReviewsKeeper({
    trial: parts.trial,
    budget: parts.reviewBudget,
    clock,
    logger,
    profile,
    read,
    onState(name) {
      queues.add('revisions', name);
      queues.add('status', name);
    },
    onSlow: (name) => queues.add('slowReviews', name),
  });
  const statuses = createStatusKeeper({
    client,
    clock,
    announce,
    profile,
    revisionsOf,
    nodes: () => nodeFacts(caches, agent),
    nodeCount: () => caches.nodes.size(),
    review(profile) {
      const owned = revisions.conflicts(profile.name);
      return owned.length > 0 ? { kind: 'conflict', owned } : reviews.state(profile);
    },
    publishProblem: (name) => revisions.problem(name),
    podRule: (profile, inForce) => ruleStateOf(profile, inForce, (rule) => proofs.state(rule)),
    pods: (objectUid) => matchedPods.of(objectUid),
    podsNote: ({ name }) => evictions.note(name),
    podEvents: createPodEvents({ events: parts.events, clock, pod: (key) => caches.pods.get(key) }),
  });
  const evictions = createEvictionsKeeper({
    transport: parts.transport,
    clock,
    random: parts.random,
    logger,
    announce,
    profile,
    pods: (objectUid) => matchedPods.of(objectUid),
    holds(objectUid, nodeName) {
      const [node, revision] = [caches.nodes.get(nodeName), shared.inForce(objectUid)];
      if (node === undefined || revision === undefined) return false;
      return nodeOutcome({ node, row: caches.rows.get(nodeName), agent: agent(node) }, revision)?.kind === 'loaded';
    },
    onNote: (name) => queues.add('status', name),
  });
  const nodes = createNodeKeeper({
    client,
    logger,
    now: () => clock.now(),
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
  const unloads = createUnloadKeeper({
    client,
    clock,
    events: parts.events,
    logger,
    node: (name) => caches.nodes.get(name),
    row: (name) => caches.rows.get(name),
    agent,
    podsNaming: (nodeName, profile) => podIndex.naming(nodeName, profile),
    objects: () =>
      caches.profiles.values().map((profile) => ({
        profile,
        inForce: shared.inForce(profile.uid),
      })),
    nodes: () => nodeFacts(caches, agent),
    heard: () => kinds.every(([, cache]) => clock.now() - cache.lastContact() < SILENCE_MS),
  });

  const webhooks = createWebhooksKeeper(
    {
      manager: options.manager,
      target: { namespace, ...(options.webhookUrl === undefined ? {} : { url: options.webhookUrl }) },
    },
    {
      client,
      clock,
      events: parts.events,
      logger,
      admission,
      reviewConfiguration: () => caches.reviewWebhooks.values()[0],
      podConfiguration: (name) => caches.podWebhooks.get(name),
      book: podRules.book,
    },
  );
  const proofs = createProofsKeeper({
    book: podRules.book,
    transport: parts.transport,
    clock,
    onState: ({ rules }) => rules.forEach(({ object }) => queues.add('status', object.name)),
  });
  const everyProof = (configuration: string): void => {
    for (const group of podRules.book.groups()) {
      if (configurationOfGroup(group) !== configuration) continue;
      proofs.doubt(group.id);
      queues.add('proofs', group.id);
    }
  };
  const everyWebhook = (): void => {
    queues.add('certificate', '');
    webhooks.names.forEach((name) => queues.add('webhooks', name));
  };

  const queues: Queues = startQueues(
    {
      revisions: (key, signal) => revisions.keep(key, signal),
      reviews: (key, signal) => reviews.review(key, signal),
      slowReviews: (key, signal) => reviews.reviewSlowly(key, signal),
      nodes: (key, signal) => nodes.keep(key, signal),
      daemonset: (key, signal) => agents.keep(key, signal),
      status(key, signal) {
        // Whatever may change what is said of an object may also let its next pod be evicted.
        queues.add('evictions', key);
        return statuses.keep(key, signal);
      },
      evictions: (key, signal) => evictions.keep(key, signal),
      unloads: (key, signal) => unloads.keep(key, signal),
      certificate: (key, signal) => webhooks.certificate.keep(key, signal),
      webhooks: (key, signal) => webhooks.configurations.keep(key, signal),
      proofs: (key, signal) => proofs.keep(key, signal),
    },
    parts,
  );
  const listeners = listenersOf({
    queues,
    presence,
    podIndex,
    matchedPods,
    announce,
    everyStatus,
    everyUnload,
    everyProof,
    profiles: () => caches.profiles.values(),
    forget,
  });
  const own = startCaches(cachePartsOf(namespace, parts, signal), listeners);
  const caches: Caches = { profiles: shared.profiles, revisions: shared.revisions, ...own };
  const stopListening = shared.listen(listeners);
  matchedPods.rulesChanged(podRules.book.rules());
  const forgetNamespaces = podRules.onNamespace((name) => matchedPods.namespaceChanged(name));
  const forgetRules = podRules.book.onChange((id) => {
    matchedPods.rulesChanged(podRules.book.rules());
    queues.add('webhooks', configurationOfGroup({ id }));
    queues.add('proofs', id);
  });

  function forget(name: string): void {
    statuses.forget(name);
    revisions.forget(name);
    reviews.forget(name);
    evictions.forget(name);
  }

  const kinds = Object.entries(caches) as [string, Caches[keyof Caches]][];
  const forgetCertificate = admission.certificates.onStored(everyWebhook);
  parts.health.watching([
    ...watchedShared(shared, podRules),
    ...Object.entries(own).map(([kind, cache]) => watched(kind, cache)),
  ]);
  try {
    await Promise.all([admission.ready, podRules.namespaces.ready, ...kinds.map(([, cache]) => cache.ready)]);
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
    everyUnload();
    everyWebhook();
    podRules.book.groups().forEach(({ id }) => queues.add('proofs', id));
    await aborted(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
    forgetCertificate();
    stopListening();
    forgetRules();
    forgetNamespaces();
    parts.metrics.leading(undefined);
    parts.health.watching(watchedShared(shared, podRules));
    await queues.stop();
    await Promise.all(Object.values(own).map((cache) => cache.stopped));
  }
}

function* nodeFacts(caches: Caches, agent: (node: NodeView) => AgentState): Generator<NodeFacts> {
  for (const node of caches.nodes.values()) {
    yield { node, row: caches.rows.get(node.name), agent: agent(node) };
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
