import type { AppArmorNode } from '../api/generated/apparmornode.ts';
import { LABEL } from '../api/names.ts';
import { APPARMOR_NODE } from '../api/resources.ts';
import type { Clock } from '../kube/clock.ts';
import { CONTROLLER_REVISIONS, NODES } from '../kube/resource.ts';
import type { PartialObject } from '../kube/resource.ts';
import type { Transport } from '../kube/transport.ts';
import { startWatchCache } from '../kube/watch-cache.ts';
import type { Logger } from '../log.ts';
import { seenNode } from './reporter.ts';
import type { SeenNode } from './reporter.ts';
import { readHead } from './revision-content.ts';
import type { RevisionHead } from './revision-content.ts';

export interface WatchesOptions {
  transport: Transport;
  node: string;
  namespace: string;
  /** All revisions, after the first full list and after each change. */
  onRevisions: (heads: readonly RevisionHead[]) => void;
  onLabels: (labels: Readonly<Record<string, string>>) => void;
  /** undefined: there is no AppArmorNode (any more). */
  onNode: (node: SeenNode | undefined) => void;
  signal: AbortSignal;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** The three things that an agent watches. Texts never come this way: of revisions only the metadata is asked for. */
export function startWatches(options: WatchesOptions): { stopped: Promise<void> } {
  const { node, log, onRevisions, onLabels, onNode } = options;
  const onError = (error: unknown, retryInMs: number): void =>
    log.warn('a watch was interrupted', { error, retryInMs: Math.round(retryInMs) });

  const revisions = startWatchCache<PartialObject, RevisionHead>({
    ...options,
    resource: CONTROLLER_REVISIONS,
    labelSelector: `${LABEL.revision}=true`,
    metadataOnly: true,
    project: ({ metadata }) => readHead(metadata),
    onChange: () => {
      if (revisions.synced()) onRevisions(revisions.values());
    },
    onSynced: () => onRevisions(revisions.values()),
    onError,
  });
  const { namespace: _, ...clusterScoped } = options;
  const labels = startWatchCache<PartialObject, Readonly<Record<string, string>>>({
    ...clusterScoped,
    resource: NODES,
    fieldSelector: `metadata.name=${node}`,
    metadataOnly: true,
    firstList: 'cached',
    project: ({ metadata }) => metadata.labels ?? {},
    // A Node that is deleted while its agent runs is about to come back or to end; its labels stay as they were.
    onChange: (_key, now) => {
      if (now !== undefined) onLabels(now);
    },
    onError,
  });
  const nodes = startWatchCache<AppArmorNode, SeenNode>({
    ...clusterScoped,
    resource: APPARMOR_NODE,
    fieldSelector: `metadata.name=${node}`,
    firstList: 'cached',
    project: seenNode,
    onChange: (_key, now) => onNode(now),
    onError,
  });
  const stopped = Promise.all([revisions.stopped, labels.stopped, nodes.stopped]).then(() => undefined);
  return { stopped };
}
