import { authoritiesOf, type StoredCertificate } from '../../admission/certificate/stored.ts';
import { shorten } from '../../api/conditions.ts';
import { EVENT_REASON, type EventReason } from '../../api/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { apiVersionOf, type Resource } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { LONGEST_NOTE } from '../announce.ts';
import { changesBetween, describeChanges } from '../keeping/changes.ts';
import { lastEditor } from '../keeping/last-editor.ts';
import { readOwner, WITHOUT_OWNER_MS } from '../keeping/owner.ts';
import { createPatience, type Patience } from '../keeping/patience.ts';
import {
  planConfiguration,
  writtenConfiguration,
  type ConfigurationPlan,
  type WrittenConfiguration,
} from './plan-configuration.ts';
import {
  clientConfig,
  configurationOf,
  type WebhookClientConfig,
  type WebhookConfiguration,
  type WebhookEntry,
  type WebhookTarget,
} from './webhook-configuration.ts';

/** A webhook configuration of either kind that is kept. */
export interface KeptConfiguration {
  resource: Resource;
  live: () => WebhookConfiguration | undefined;
  /** What it should hold; `connect` says how the API server reaches a path. */
  entries: (connect: (path: string) => WebhookClientConfig) => readonly WebhookEntry[];
}

export interface ConfigurationsKeeperParts {
  client: KubeClient;
  clock: Clock;
  events: EventRecorder;
  logger: Logger;
  /** Name under which the API server notes our writes: the user agent's first word. */
  manager: string;
  target: WebhookTarget;
  certificate: () => StoredCertificate;
  /** By the configuration's name. */
  kept: ReadonlyMap<string, KeptConfiguration>;
}

/** Keeps the webhook configurations as they should be; remembers what it wrote for one term of leadership. */
export interface ConfigurationsKeeper {
  /** The key is the configuration's name. */
  keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
}

interface Memory {
  patience: Patience;
  written?: WrittenConfiguration;
}

export function createConfigurationsKeeper(parts: ConfigurationsKeeperParts): ConfigurationsKeeper {
  const { client, clock, target } = parts;
  const memories = new Map(
    [...parts.kept.keys()].map((name): [string, Memory] => [name, { patience: createPatience() }]),
  );

  async function keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const kept = parts.kept.get(name);
    const memory = memories.get(name);
    if (kept === undefined || memory === undefined) return undefined;
    const live = kept.live();
    const authorities = trusted(parts.certificate(), live !== undefined);
    if (authorities === undefined) return undefined;
    const owner = await readOwner(client, signal);
    if (owner === undefined) return { requeueAfterMs: WITHOUT_OWNER_MS };
    const entries = kept.entries((path) => clientConfig(target, path, authorities));
    const wanted = configurationOf(name, entries, owner);
    const plan = planConfiguration(wanted, live, memory.written);
    if (plan.kind === 'keep') return undefined;
    const edited = plan.kind === 'replace' && plan.reason === 'edited';
    const waitMs = edited ? memory.patience.waitMs(clock.now()) : 0;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const stored = await write(plan, kept.resource, client, signal);
    if (stored === undefined) return undefined;
    memory.written = writtenConfiguration(wanted, stored);
    if (edited) memory.patience.corrected(clock.now());
    tell(plan, live, stored, kept.resource);
    return undefined;
  }

  function tell(
    plan: Exclude<ConfigurationPlan, { kind: 'keep' }>,
    live: WebhookConfiguration | undefined,
    stored: WebhookConfiguration,
    resource: Resource,
  ): void {
    if (plan.kind === 'create' || live === undefined) {
      record(stored, resource, 'Normal', EVENT_REASON.created, 'created');
      return;
    }
    const changes = changesBetween(described(live), described(stored), '');
    if (plan.reason === 'configured') {
      const paths = changes.map(({ path }) => path).join(', ');
      record(stored, resource, 'Normal', EVENT_REASON.updated, `changed with the operator: ${paths}`);
      return;
    }
    const editor = lastEditor(live.metadata.managedFields, parts.manager);
    const who = editor === undefined ? '' : `, last changed by ${editor}`;
    record(stored, resource, 'Warning', EVENT_REASON.putRight, `put right${who}: ${describeChanges(changes)}`);
  }

  function record(
    { metadata }: WebhookConfiguration,
    resource: Resource,
    type: 'Normal' | 'Warning',
    reason: EventReason,
    note: string,
  ): void {
    parts.logger[type === 'Normal' ? 'info' : 'warn'](`${resource.kind} ${metadata.name} ${note}`);
    parts.events.record({
      regarding: {
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
        name: metadata.name,
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
      },
      type,
      reason,
      action: 'KeepWebhooks',
      note: shorten(note, LONGEST_NOTE),
    });
  }

  return { keep };
}

/**
 * Undefined: nothing is written. Before anything is served none is created, since its calls would fail; one that is there
 * has to learn of the next authority first.
 */
function trusted(certificate: StoredCertificate, exists: boolean): string[] | undefined {
  if (certificate.kind !== 'whole') return undefined;
  return certificate.state.current === undefined && !exists ? undefined : authoritiesOf(certificate.state);
}

/** What we keep right. */
function described({ metadata, webhooks }: WebhookConfiguration): object {
  const { labels, annotations, ownerReferences } = metadata;
  return { metadata: { labels, annotations, ownerReferences }, webhooks };
}

/** Undefined if somebody was faster: the watch is about to say so, and that event brings the next reconcile. */
async function write(
  plan: Exclude<ConfigurationPlan, { kind: 'keep' }>,
  resource: Resource,
  client: KubeClient,
  signal: AbortSignal,
): Promise<WebhookConfiguration | undefined> {
  try {
    return plan.kind === 'create'
      ? await client.create<WebhookConfiguration>(resource, plan.object, { signal })
      : await client.update<WebhookConfiguration>(resource, plan.object, { signal });
  } catch (error) {
    if (isAlreadyExists(error) || isConflict(error) || (plan.kind === 'replace' && isNotFound(error))) return undefined;
    throw error;
  }
}
