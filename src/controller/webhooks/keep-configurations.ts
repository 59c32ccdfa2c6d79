import { authoritiesOf, type StoredCertificate } from '../../admission/certificate/stored.ts';
import { EVENT_REASON } from '../../api/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { Resource } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { changesBetween } from '../keeping/changes.ts';
import { lastEditor } from '../keeping/last-editor.ts';
import { readOwner, WITHOUT_OWNER_MS } from '../keeping/owner.ts';
import { createPatience, type Patience } from '../keeping/patience.ts';
import { putObject } from '../keeping/put-object.ts';
import { tell, tellingOf, type Telling } from '../keeping/tell.ts';
import {
  isLeftAlone,
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
    const entries = kept.entries((path) => clientConfig(target, path, authorities));
    // Most of the pod webhook's sixteen, in most clusters: not worth a request for the owner.
    if (isLeftAlone(live, entries)) return undefined;
    const owner = await readOwner(client, signal);
    if (owner === undefined) return { requeueAfterMs: WITHOUT_OWNER_MS };
    const wanted = configurationOf(name, entries, owner);
    const plan = planConfiguration(wanted, live, memory.written);
    if (plan.kind === 'keep') return undefined;
    const edited = plan.kind === 'replace' && plan.reason === 'edited';
    const waitMs = edited ? memory.patience.waitMs(clock.now()) : 0;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const stored = await putObject(plan.kind, plan.object, { client, resource: kept.resource }, signal);
    if (stored === undefined) return undefined;
    memory.written = writtenConfiguration(wanted, stored);
    if (edited) memory.patience.corrected(clock.now());
    const { metadata } = stored;
    const what = `${kept.resource.kind} ${metadata.name}`;
    const telling = tellingOfWrite(plan, live, stored, parts.manager);
    tell(telling, { resource: kept.resource, metadata, what, action: 'KeepWebhooks' }, parts);
    return undefined;
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

function tellingOfWrite(
  plan: Exclude<ConfigurationPlan, { kind: 'keep' }>,
  live: WebhookConfiguration | undefined,
  stored: WebhookConfiguration,
  manager: string,
): Telling {
  if (plan.kind === 'create' || live === undefined) {
    return { type: 'Normal', reason: EVENT_REASON.created, note: 'created' };
  }
  const changes = changesBetween(described(live), described(stored), '');
  return tellingOf(plan.reason, changes, lastEditor(live.metadata.managedFields, manager));
}

/** What we keep right. */
function described({ metadata, webhooks }: WebhookConfiguration): object {
  const { labels, annotations, ownerReferences } = metadata;
  return { metadata: { labels, annotations, ownerReferences }, webhooks };
}
