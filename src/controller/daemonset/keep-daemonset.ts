import { AGENT_DAEMONSET, OWNER_CLUSTER_ROLE } from '../../api/names.ts';
import { EVENT_REASON, type EventReason } from '../../api/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { apiVersionOf, DAEMON_SETS } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { shorten } from '../../api/conditions.ts';
import { LONGEST_NOTE } from '../announce.ts';
import { changesBetween, describeChanges } from '../keeping/changes.ts';
import { lastEditor } from '../keeping/last-editor.ts';
import { readOwner, WITHOUT_OWNER_MS } from '../keeping/owner.ts';
import { createPatience } from '../keeping/patience.ts';
import type { AgentConfig } from './agent-config.ts';
import { agentDaemonSet, type DaemonSet } from './agent-daemonset.ts';
import { planDaemonSet, type DaemonSetPlan, type WrittenDaemonSet } from './plan-daemonset.ts';

export interface DaemonSetParts {
  client: KubeClient;
  clock: Clock;
  events: EventRecorder;
  logger: Logger;
  config: AgentConfig;
  /** Name under which the API server notes our writes: the user agent's first word. */
  manager: string;
  live(): DaemonSet | undefined;
}

/** Keeps the agent DaemonSet as it should be; remembers what it wrote for one term of leadership. */
export interface DaemonSetKeeper {
  /** The key is of no account: there is one. */
  keep(key: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
}

export function createDaemonSetKeeper(parts: DaemonSetParts): DaemonSetKeeper {
  const patience = createPatience();
  let written: WrittenDaemonSet | undefined;
  let owned = true;

  async function keep(_key: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const owner = await readOwner(parts.client, signal);
    if (owner === undefined) {
      if (owned) parts.logger.info(`the agents are left alone: ClusterRole ${OWNER_CLUSTER_ROLE} is gone or going`);
      owned = false;
      return { requeueAfterMs: WITHOUT_OWNER_MS };
    }
    owned = true;
    const live = parts.live();
    const plan = planDaemonSet(agentDaemonSet(parts.config, owner), live, written);
    if (plan.kind === 'keep') return undefined;
    const waitMs = plan.kind === 'replace' && plan.reason === 'edited' ? patience.waitMs(parts.clock.now()) : 0;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const stored = await write(plan, parts, signal);
    if (stored === undefined) return undefined;
    written = { uid: stored.metadata.uid ?? '', generation: stored.metadata.generation ?? 0 };
    if (plan.kind === 'replace' && plan.reason === 'edited') patience.corrected(parts.clock.now());
    tell(plan, live, stored, parts);
    return undefined;
  }

  return { keep };
}

/** Undefined if somebody was faster: the watch is about to say so, and that event brings the next reconcile. */
async function write(
  plan: Exclude<DaemonSetPlan, { kind: 'keep' }>,
  parts: DaemonSetParts,
  signal: AbortSignal,
): Promise<DaemonSet | undefined> {
  try {
    return plan.kind === 'create'
      ? await parts.client.create<DaemonSet>(DAEMON_SETS, plan.object, { signal })
      : await parts.client.update<DaemonSet>(DAEMON_SETS, plan.object, { signal });
  } catch (error) {
    if (isAlreadyExists(error) || isConflict(error) || (plan.kind === 'replace' && isNotFound(error))) return undefined;
    throw error;
  }
}

function tell(
  plan: Exclude<DaemonSetPlan, { kind: 'keep' }>,
  live: DaemonSet | undefined,
  stored: DaemonSet,
  parts: DaemonSetParts,
): void {
  if (plan.kind === 'create' || live === undefined) {
    record(stored, parts, 'Normal', EVENT_REASON.created, `created with image ${parts.config.image}`);
    return;
  }
  const changes = changesBetween(described(live), described(stored), '');
  if (changes.length === 0) return;
  if (plan.reason === 'configured') {
    record(
      stored,
      parts,
      'Normal',
      EVENT_REASON.updated,
      `changed with the operator: ${changes.map(({ path }) => path).join(', ')}`,
    );
    return;
  }
  const editor = lastEditor(live.metadata.managedFields, parts.manager);
  const who = editor === undefined ? '' : `, last changed by ${editor}`;
  record(stored, parts, 'Warning', EVENT_REASON.putRight, `put right${who}: ${describeChanges(changes)}`);
}

/** What we keep right: the spec, and of the metadata what a removal would take with it. */
function described({ metadata, spec }: DaemonSet): object {
  const { labels, annotations, ownerReferences } = metadata;
  const { 'deprecated.daemonset.template.generation': _, ...kept } = annotations ?? {};
  return { metadata: { labels, annotations: kept, ownerReferences }, spec };
}

function record(
  { metadata }: DaemonSet,
  parts: DaemonSetParts,
  type: 'Normal' | 'Warning',
  reason: EventReason,
  note: string,
): void {
  parts.logger[type === 'Normal' ? 'info' : 'warn'](`agent DaemonSet ${note}`);
  parts.events.record({
    regarding: {
      apiVersion: apiVersionOf(DAEMON_SETS),
      kind: DAEMON_SETS.kind,
      name: AGENT_DAEMONSET,
      namespace: parts.config.namespace,
      ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
    },
    type,
    reason,
    action: 'KeepAgents',
    note: shorten(note, LONGEST_NOTE),
  });
}
