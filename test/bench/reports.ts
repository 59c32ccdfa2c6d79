import type { AppArmorNodeStatus } from '../../src/api/generated/index.ts';
import { APPARMOR_NODE } from '../../src/api/resources.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { waitFor } from '../testbed/process.ts';
import { forEachAtOnce } from './each.ts';
import { AT_ONCE, BOOT_ID, nodeName } from './nodes.ts';

interface Nodes {
  client: KubeClient;
  nodes: number;
  signal: AbortSignal;
}

/** Writes in every agent's place that its node enforces and holds these profiles, by name with the hash of their revision. */
export async function reportAll(
  { client, nodes, signal }: Nodes,
  loaded: Readonly<Record<string, string>>,
): Promise<void> {
  await waitFor('an AppArmorNode for each', { deadlineMs: 60_000 + 60 * nodes, intervalMs: 1000, signal }, async () => {
    const { items } = await client.list(APPARMOR_NODE, { freshness: 'cached', metadataOnly: true });
    return items.length === nodes;
  });
  const indices = Array.from({ length: nodes }, (_, index) => index);
  await forEachAtOnce(indices, AT_ONCE, (index) => report({ client }, index, { loaded, problems: [] }));
}

/** Writes these fields of one node's report. */
export async function report(
  { client }: Pick<Nodes, 'client'>,
  index: number,
  { loaded, problems }: Pick<AppArmorNodeStatus, 'loaded' | 'problems'>,
): Promise<void> {
  const status: AppArmorNodeStatus = {
    bootID: BOOT_ID,
    enforcing: true,
    kernel: '6.12.0',
    parser: '4.1.0',
    loaded: loaded ?? {},
    loadedCount: Object.keys(loaded ?? {}).length,
    problems: problems ?? [],
    problemCount: problems?.length ?? 0,
  };
  const how = { subresource: 'status', metadataOnly: true } as const;
  await client.mergePatch(APPARMOR_NODE, { name: nodeName(index) }, { status }, how);
}
