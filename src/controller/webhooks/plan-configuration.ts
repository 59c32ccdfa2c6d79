import { ANNOTATION } from '../../api/names.ts';
import { canonicalJson } from '../../api/revision.ts';
import { hasMetadata, mergedMetadata } from '../keeping/metadata.ts';
import type { WebhookConfiguration, WebhookEntry } from './webhook-configuration.ts';

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

/** Whether there is nothing to do, whoever owns it: one without webhooks is not created, but kept where it is. */
export function isLeftAlone(live: WebhookConfiguration | undefined, webhooks: readonly WebhookEntry[]): boolean {
  return live === undefined && webhooks.length === 0;
}

/** What to do so that the configuration is as wanted; a write only where something differs. */
export function planConfiguration(
  wanted: WebhookConfiguration,
  live: WebhookConfiguration | undefined,
  written: WrittenConfiguration | undefined,
): ConfigurationPlan {
  if (live === undefined) {
    return isLeftAlone(live, wanted.webhooks ?? []) ? { kind: 'keep' } : { kind: 'create', object: wanted };
  }
  if (live.metadata.deletionTimestamp !== undefined) return { kind: 'keep' };
  if (hasWebhooks(wanted, live, written) && hasMetadata(wanted.metadata, live.metadata)) return { kind: 'keep' };
  const liveHash = hashOf(live);
  const reason = liveHash !== undefined && liveHash !== hashOf(wanted) ? 'configured' : 'edited';
  const metadata = mergedMetadata(wanted.metadata, live.metadata);
  return { kind: 'replace', object: { metadata, webhooks: wanted.webhooks ?? [] }, reason };
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

function hashOf({ metadata }: WebhookConfiguration): string | undefined {
  return metadata.annotations?.[ANNOTATION.specHash];
}
