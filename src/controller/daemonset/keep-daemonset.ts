import { AGENT_DAEMONSET, OWNER_CLUSTER_ROLE } from '../../api/names.ts';
import { EVENT_REASON } from '../../api/reasons.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { DAEMON_SETS } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import { changesBetween } from '../keeping/changes.ts';
import { lastEditor } from '../keeping/last-editor.ts';
import { readOwner, WITHOUT_OWNER_MS } from '../keeping/owner.ts';
import { createPatience } from '../keeping/patience.ts';
import { putObject } from '../keeping/put-object.ts';
import { tell, tellingOf, type Telling } from '../keeping/tell.ts';
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
    const stored = await putObject(plan.kind, plan.object, { client: parts.client, resource: DAEMON_SETS }, signal);
    if (stored === undefined) return undefined;
    written = { uid: stored.metadata.uid ?? '', generation: stored.metadata.generation ?? 0 };
    if (plan.kind === 'replace' && plan.reason === 'edited') patience.corrected(parts.clock.now());
    tellOf(plan, live, stored, parts);
    return undefined;
  }

  return { keep };
}

function tellOf(
  plan: Exclude<DaemonSetPlan, { kind: 'keep' }>,
  live: DaemonSet | undefined,
  stored: DaemonSet,
  parts: DaemonSetParts,
): void {
  const telling = tellingOfWrite(plan, live, stored, parts);
  if (telling === undefined) return;
  const { uid } = stored.metadata;
  const metadata = { name: AGENT_DAEMONSET, namespace: parts.config.namespace, ...(uid === undefined ? {} : { uid }) };
  tell(telling, { resource: DAEMON_SETS, metadata, what: 'agent DaemonSet', action: 'KeepAgents' }, parts);
}

/** Undefined: nothing has changed. */
function tellingOfWrite(
  plan: Exclude<DaemonSetPlan, { kind: 'keep' }>,
  live: DaemonSet | undefined,
  stored: DaemonSet,
  { config, manager }: DaemonSetParts,
): Telling | undefined {
  if (plan.kind === 'create' || live === undefined) {
    return { type: 'Normal', reason: EVENT_REASON.created, note: `created with image ${config.image}` };
  }
  const changes = changesBetween(described(live), described(stored), '');
  if (changes.length === 0) return undefined;
  const why = plan.reason === 'configured' ? 'configured' : 'edited';
  return tellingOf(why, changes, lastEditor(live.metadata.managedFields, manager));
}

/** What we keep right: the spec, and of the metadata what a removal would take with it. */
function described({ metadata, spec }: DaemonSet): object {
  const { labels, annotations, ownerReferences } = metadata;
  const { 'deprecated.daemonset.template.generation': _, ...kept } = annotations ?? {};
  return { metadata: { labels, annotations: kept, ownerReferences }, spec };
}
