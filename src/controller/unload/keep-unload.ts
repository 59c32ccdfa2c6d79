import type { AppArmorNode, AppArmorNodeSpecUnload } from '../../api/generated/index.ts';
import { EVENT_REASON } from '../../api/reasons.ts';
import { APPARMOR_NODE } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import { isConflict, isNotFound } from '../../kube/errors.ts';
import type { EventRecorder } from '../../kube/events.ts';
import { apiVersionOf } from '../../kube/resource.ts';
import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import type { AgentState } from '../nodes/agent-presence.ts';
import type { NodeView } from '../nodes/node-view.ts';
import type { RowView } from '../nodes/row-view.ts';
import type { NodeFacts } from '../status/node-outcome.ts';
import { askKindServed, type KindState } from './kind-served.ts';
import { concernsUnload, planUnload, sameGrants, type UnloadInput, type UnloadPlan } from './plan-unload.ts';
import { createSettling } from './settling.ts';
import { vanishedTogether } from './vanished.ts';
import { wantedBy, type LivingObject } from './wanted-by.ts';

export interface UnloadParts {
  client: KubeClient;
  clock: Clock;
  events: EventRecorder;
  logger: Logger;
  node(name: string): NodeView | undefined;
  row(name: string): RowView | undefined;
  agent(node: NodeView): AgentState;
  podsNaming(nodeName: string, profile: string): readonly string[];
  objects(): readonly LivingObject[];
  nodes(): Iterable<NodeFacts>;
  /** Whether the API server was heard of lately about everything that is watched. */
  heard(): boolean;
}

/** Keeps `spec.unload` of one AppArmorNode at a time; remembers what it wrote and said, for one term of leadership. */
export interface UnloadKeeper {
  keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined>;
}

/** The watch delivers a write within milliseconds; until then it stands in for what the cache has. */
const AWAIT_OWN_WRITE_MS = 5000;

/** Nothing tells that the kind is served again, or that a watch goes on: look again after this time. */
const UNSOUND_MS = 60_000;

/** The reports of other nodes are on their way, and bring no look at this one. */
const UNCLEAR_MS = 5000;

interface Written {
  uid: string;
  unload: readonly AppArmorNodeSpecUnload[];
  atMs: number;
}

export function createUnloadKeeper(parts: UnloadParts): UnloadKeeper {
  const { clock, logger } = parts;
  const written = new Map<string, Written>();
  const told = new Map<string, string>();
  const settling = createSettling(() => clock.now());
  let holding = false;

  function forget(name: string): void {
    written.delete(name);
    told.delete(name);
  }

  async function keep(name: string, signal: AbortSignal): Promise<ReconcileResult | undefined> {
    const expected = planNow(name, SERVED);
    if (expected === undefined) return undefined;
    // Only where it matters; what was gathered before is gathered again: meanwhile a pod or an object may have come.
    const kind = expected.plan.grants.length === 0 ? SERVED : await askKindServed(parts.client, signal);
    const decided = planNow(name, kind);
    if (decided === undefined) return undefined;
    const { row, plan, stored, lookAgainInMs } = decided;
    tellWithheld(name, plan);
    if (plan.write) await write(row, plan.grants, stored, signal);
    if (kind.kind === 'unknown') throw kind.error;
    const waits = [
      ...(plan.renewInMs === undefined ? [] : [plan.renewInMs]),
      ...lookAgainInMs,
      ...(written.has(name) ? [AWAIT_OWN_WRITE_MS] : []),
    ];
    return waits.length === 0 ? undefined : { requeueAfterMs: Math.min(...waits) };
  }

  function planNow(name: string, kind: KindState) {
    const objects = parts.objects();
    const settledInMs = settling.look(objects.map(({ profile }) => profile.uid));
    const row = parts.row(name);
    if (row === undefined) {
      forget(name);
      return undefined;
    }
    const stored = storedGrants(row);
    if (!concernsUnload(row) && stored.length === 0) {
      forget(name);
      return undefined;
    }
    const node = parts.node(name);
    const cluster = clusterState(row, objects.length, kind);
    const plan = planUnload({
      node,
      row,
      agent: node === undefined ? { kind: 'gone' } : parts.agent(node),
      cluster,
      settling: settledInMs > 0,
      podsNaming: (profile) => parts.podsNaming(name, profile),
      wantedBy: (problem) => (node === undefined ? undefined : wantedBy(problem, node, objects)),
      stored,
      now: clock.date().getTime(),
    });
    const lookAgainInMs = [
      ...(cluster.kind === 'sound' ? [] : [cluster.lookAgainInMs]),
      ...(settledInMs === 0 ? [] : [settledInMs]),
    ];
    return { row, plan, stored, lookAgainInMs };
  }

  function clusterState(row: RowView, objects: number, kind: KindState): ClusterState {
    if (!parts.heard()) return unsound('the API server has been silent');
    const vanished = vanishedTogether(objects, parts.nodes());
    tellVanished(row, vanished === 'together');
    switch (vanished) {
      case 'together':
        return unsound(VANISHED);
      case 'unclear':
        return unsound('no AppArmorProfile is left, and not every node has reported since', UNCLEAR_MS);
      case 'no':
        break;
    }
    return kind.kind === 'served' ? { kind: 'sound' } : unsound(kind.why);
  }

  /** Once for all nodes, on the first whose turn it is. */
  function tellVanished(row: RowView, vanished: boolean): void {
    const before = holding;
    holding = vanished;
    if (!vanished || before) return;
    logger.warn('profiles stay loaded', { why: VANISHED });
    parts.events.record({
      regarding: { apiVersion: apiVersionOf(APPARMOR_NODE), kind: APPARMOR_NODE.kind, name: row.name, uid: row.uid },
      type: 'Warning',
      reason: EVENT_REASON.unloadHeld,
      action: 'Unload',
      note: `On this node and all others: ${VANISHED}`,
    });
  }

  function tellWithheld(node: string, { withheld }: UnloadPlan): void {
    const text = JSON.stringify(withheld);
    if (told.get(node) === text || (withheld.length === 0 && !told.has(node))) return;
    told.set(node, text);
    for (const { profile, why } of withheld) logger.info('an unwanted profile stays loaded', { node, profile, why });
  }

  function storedGrants(row: RowView): readonly AppArmorNodeSpecUnload[] {
    const last = written.get(row.name);
    if (last === undefined) return row.unload;
    const old = last.uid !== row.uid || clock.now() - last.atMs >= AWAIT_OWN_WRITE_MS;
    if (!old && !sameGrants(last.unload, row.unload)) return last.unload;
    written.delete(row.name);
    return row.unload;
  }

  async function write(
    { name, uid }: RowView,
    unload: readonly AppArmorNodeSpecUnload[],
    before: readonly AppArmorNodeSpecUnload[],
    signal: AbortSignal,
  ): Promise<void> {
    // With the uid, the row of a node that is there again gets nothing that was meant for the old one.
    const patch = { metadata: { uid }, spec: { unload: unload.length === 0 ? null : unload } };
    try {
      await parts.client.mergePatch<AppArmorNode>(APPARMOR_NODE, { name }, patch, { signal });
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return;
      throw error;
    }
    written.set(name, { uid, unload, atMs: clock.now() });
    const granted = newIn(unload, before);
    const ended = newIn(before, unload);
    if (granted.length > 0) logger.info('granted the removal of profiles', { node: name, profiles: granted });
    if (ended.length > 0) logger.info('ended the grant for profiles', { node: name, profiles: ended });
  }

  return { keep };
}

type ClusterState = Extract<UnloadInput['cluster'], { kind: 'sound' }> | (Unsound & { lookAgainInMs: number });
type Unsound = Extract<UnloadInput['cluster'], { kind: 'unsound' }>;

function unsound(why: string, lookAgainInMs = UNSOUND_MS): ClusterState {
  return { kind: 'unsound', why, lookAgainInMs };
}

const SERVED: KindState = { kind: 'served' };

const VANISHED =
  'all AppArmorProfiles vanished together, so what they loaded stays in the kernels; it is removed once one exists again, or with a reboot';

/** Names of the profiles that the first list grants and the second does not. */
function newIn(grants: readonly AppArmorNodeSpecUnload[], others: readonly AppArmorNodeSpecUnload[]): string[] {
  const names = new Set(others.map(({ profile }) => profile));
  return grants.map(({ profile }) => profile).filter((name) => !names.has(name));
}
