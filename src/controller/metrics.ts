import { Counter, Gauge, type GaugeConfiguration, type Registry } from 'prom-client';
import { findCondition } from '../api/conditions.ts';
import type { ProfileView } from './profiles/profile-view.ts';
import { nodeHealth, type NodeFacts } from './status/node-outcome.ts';

/** What a leader lets be counted at each scrape. */
export interface Countable {
  queues(): Iterable<{ concern: Concern; size: number }>;
  profiles(): Iterable<ProfileView>;
  nodes(): Iterable<NodeFacts>;
}

/** What the controller keeps right, one queue each. */
export type Concern =
  | 'revisions'
  | 'reviews'
  | 'slowReviews'
  | 'nodes'
  | 'daemonset'
  | 'status'
  | 'evictions'
  | 'unloads'
  | 'certificate'
  | 'webhooks'
  | 'proofs';

export interface ControllerMetrics {
  reconciled(concern: Concern, result: 'success' | 'error'): void;
  /** Undefined: this replica does not lead, and has nothing to count. */
  leading(countable: Countable | undefined): void;
}

const POD_STATES = ['confined', 'complaining', 'pendingRestart', 'skipped'] as const;

/** Registers the controller's metrics. */
export function createControllerMetrics(registry: Registry): ControllerMetrics {
  let source: Countable | undefined;
  const gauge = (options: Omit<GaugeConfiguration<string>, 'registers'>): void =>
    registry.registerMetric(new Gauge({ ...options, registers: [] }));

  const reconciles = new Counter({
    name: 'apparmor_controller_reconciles_total',
    help: 'Reconciles by concern and result; an error is tried again.',
    labelNames: ['concern', 'result'],
    registers: [registry],
  });
  gauge({
    name: 'apparmor_controller_leader',
    help: '1 on the replica that leads, else 0.',
    collect() {
      this.set(source === undefined ? 0 : 1);
    },
  });
  gauge({
    name: 'apparmor_controller_queue_size',
    help: 'Keys that wait to be reconciled.',
    labelNames: ['concern'],
    collect() {
      this.reset();
      for (const { concern, size } of source?.queues() ?? []) this.set({ concern }, size);
    },
  });
  gauge({
    name: 'apparmor_controller_profiles',
    help: 'AppArmorProfiles by the status and reason of their condition Ready.',
    labelNames: ['ready', 'reason'],
    collect() {
      this.reset();
      for (const { status } of source?.profiles() ?? []) {
        const condition = findCondition(status?.conditions, 'Ready');
        this.inc({ ready: condition?.status ?? 'Unknown', reason: condition?.reason ?? '' });
      }
    },
  });
  gauge({
    name: 'apparmor_controller_nodes',
    help: 'Linux nodes: enforcing, pending (no report since boot), unreachable or unsupported, with the reason.',
    labelNames: ['state', 'reason'],
    collect() {
      this.reset();
      for (const facts of source?.nodes() ?? []) {
        const health = nodeHealth(facts);
        this.inc({ state: health.kind, reason: 'reason' in health ? health.reason : '' });
      }
    },
  });

  gauge({
    name: 'apparmor_controller_pods',
    help: 'Pods that spec.pods of an AppArmorProfile selects, by how they run; one that several select counts for each.',
    labelNames: ['state'],
    collect() {
      this.reset();
      for (const { status } of source?.profiles() ?? []) {
        for (const state of POD_STATES) this.inc({ state }, status?.pods?.[state] ?? 0);
      }
    },
  });

  return {
    reconciled: (concern, result) => reconciles.inc({ concern, result }),
    leading(countable) {
      source = countable;
    },
  };
}
