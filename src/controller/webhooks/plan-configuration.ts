import { ANNOTATION } from '../../api/names.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { WebhookConfiguration } from './webhook-configuration.ts';

export type ConfigurationPlan =
  | { kind: 'keep' }
  | { kind: 'create'; object: WebhookConfiguration }
  /** PUT; `reason` says whether it is our wish that changed or somebody else's edit. */
  | { kind: 'replace'; object: WebhookConfiguration; reason: 'configured' | 'edited' };

/** What the API server made of the last write. */
export interface WrittenConfiguration {
  /** Hash of what was wanted. */
  hash: string;
  /** The webhooks as they came back: with defaults that this version does not know of. */
  webhooks: string;
}

/**
 * What to do so that the configuration is as wanted; a write only where something differs. One without webhooks is not
 * created, but kept where it is: nothing calls it.
 */
export function planConfiguration(
  wanted: WebhookConfiguration,
  live: WebhookConfiguration | undefined,
  written: WrittenConfiguration | undefined,
): ConfigurationPlan {
  if (live === undefined) {
    return (wanted.webhooks ?? []).length === 0 ? { kind: 'keep' } : { kind: 'create', object: wanted };
  }
  if (live.metadata.deletionTimestamp !== undefined) return { kind: 'keep' };
  if (hasWebhooks(wanted, live, written) && hasMetadata(wanted, live)) return { kind: 'keep' };
  const liveHash = hashOf(live);
  const reason = liveHash !== undefined && liveHash !== hashOf(wanted) ? 'configured' : 'edited';
  return { kind: 'replace', object: merged(wanted, live), reason };
}

/** What is to be remembered of a write. */
export function writtenConfiguration(wanted: WebhookConfiguration, stored: WebhookConfiguration): WrittenConfiguration {
  return { hash: hashOf(wanted) ?? '', webhooks: canonicalJson(stored.webhooks ?? []) };
}

function hasWebhooks(
  wanted: WebhookConfiguration,
  live: WebhookConfiguration,
  written: WrittenConfiguration | undefined,
): boolean {
  const webhooks = canonicalJson(live.webhooks ?? []);
  if (webhooks === canonicalJson(wanted.webhooks ?? [])) return true;
  return written !== undefined && written.hash === hashOf(wanted) && written.webhooks === webhooks;
}

function hasMetadata({ metadata: wanted }: WebhookConfiguration, { metadata: live }: WebhookConfiguration): boolean {
  return (
    Object.entries(wanted.labels ?? {}).every(([key, value]) => live.labels?.[key] === value) &&
    Object.entries(wanted.annotations ?? {}).every(([key, value]) => live.annotations?.[key] === value) &&
    (wanted.ownerReferences ?? []).every(({ uid }) => live.ownerReferences?.some((owner) => owner.uid === uid))
  );
}

/** What others put into the metadata stays, but for owners: with another one, deleting that would delete this. */
function merged(wanted: WebhookConfiguration, live: WebhookConfiguration): WebhookConfiguration {
  const { managedFields: _, ...metadata } = live.metadata;
  return {
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...wanted.metadata.labels },
      annotations: { ...metadata.annotations, ...wanted.metadata.annotations },
      ownerReferences: wanted.metadata.ownerReferences ?? [],
    },
    webhooks: wanted.webhooks ?? [],
  };
}

function hashOf({ metadata }: WebhookConfiguration): string | undefined {
  return metadata.annotations?.[ANNOTATION.specHash];
}
