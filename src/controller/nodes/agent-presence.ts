import type { AgentPodView } from './agent-pod.ts';
import type { NodeView } from './node-view.ts';

/** What is known of the agent on a node. */
export type AgentState =
  | { kind: 'ready' }
  /** No Ready agent, though not yet for five minutes: roll-outs and new nodes are no news. */
  | { kind: 'grace'; endsInMs: number }
  | { kind: 'gone' }
  /** Its container cannot start because the node has no securityfs. */
  | { kind: 'securityfsMissing'; message: string };

/** A node without a Ready agent for this long is unreachable: what its row says may be old. */
export const AGENT_GRACE_MS = 5 * 60_000;

/**
 * The state of a node's agent. `missingSince`: when this controller saw the last Ready pod go, where it did; else the pods
 * themselves say since when they are not ready; else the node counts from its creation, or from when we began to look.
 */
export function agentState(input: {
  pods: readonly AgentPodView[];
  node: Pick<NodeView, 'createdAt'>;
  missingSince: number | undefined;
  watchingSince: number;
  now: number;
}): AgentState {
  const { pods, now } = input;
  if (pods.some(({ ready }) => ready)) return { kind: 'ready' };
  const stuck = pods.find(({ securityfsMissing }) => securityfsMissing !== undefined);
  if (stuck?.securityfsMissing !== undefined) return { kind: 'securityfsMissing', message: stuck.securityfsMissing };
  const oldest = pods.length === 0 ? undefined : Math.min(...pods.map(({ notReadySince }) => notReadySince));
  const since = input.missingSince ?? oldest ?? Math.max(input.node.createdAt, input.watchingSince);
  const endsInMs = since + AGENT_GRACE_MS - now;
  return endsInMs > 0 ? { kind: 'grace', endsInMs } : { kind: 'gone' };
}

/**
 * Where the container of an earlier boot is there, the kubelet backs off between its tries, for up to five minutes, and its
 * message then is about that. What the last try failed with holds until there is another.
 */
function stillMissing(now: AgentPodView, before: AgentPodView | undefined): AgentPodView {
  if (!now.backsOff || now.securityfsMissing !== undefined || before?.securityfsMissing === undefined) return now;
  return { ...now, securityfsMissing: before.securityfsMissing };
}

/** Which pods are on which node, and since when a node has no Ready one. Owned by one term of leadership. */
export interface AgentPresence {
  podChanged(key: string, now: AgentPodView | undefined, before: AgentPodView | undefined): void;
  nodeGone(name: string): void;
  of(node: NodeView): AgentState;
}

export function createAgentPresence(now: () => number): AgentPresence {
  const watchingSince = now();
  const podsByNode = new Map<string, Map<string, AgentPodView>>();
  const missingSince = new Map<string, number>();

  function podsOf(name: string): AgentPodView[] {
    return [...(podsByNode.get(name)?.values() ?? [])];
  }

  return {
    podChanged(key, pod, before) {
      const name = (pod ?? before)?.nodeName;
      if (name === undefined) return;
      const pods = podsByNode.get(name) ?? new Map<string, AgentPodView>();
      if (pod === undefined) pods.delete(key);
      else pods.set(key, stillMissing(pod, pods.get(key)));
      if (pods.size === 0) podsByNode.delete(name);
      else podsByNode.set(name, pods);
      if (podsOf(name).some(({ ready }) => ready)) missingSince.delete(name);
      else if (before?.ready === true) missingSince.set(name, now());
    },
    nodeGone(name) {
      missingSince.delete(name);
    },
    of: (node) =>
      agentState({
        pods: podsOf(node.name),
        node,
        missingSince: missingSince.get(node.name),
        watchingSince,
        now: now(),
      }),
  };
}
