import { expect } from 'chai';
import { APPARMOR_NODE } from '../../src/api/resources.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import { PODS } from '../../src/kube/resource.ts';
import type { TestNode } from '../testbed/node.ts';
import { waitFor } from '../testbed/process.ts';
import { client, cluster } from './fixture.ts';
import { DEADLINE_MS, getNodeReport, inNode, kubectl } from './operator.ts';

export const NAMESPACE = 'apparmor-operator';

/** The pod of a node's agent, as the kubelet says it is. */
export interface AgentPod {
  name: string;
  address: string;
  ready: boolean;
  /** Of the container that runs or ran last; empty before the first. */
  containerID: string;
  /** Milliseconds since the epoch, in whole seconds, by the node's clock; undefined while it does not run. */
  startedAt?: number;
}

interface PodStatus {
  metadata: { name: string };
  spec: { nodeName?: string };
  status?: {
    podIP?: string;
    containerStatuses?: {
      ready: boolean;
      containerID?: string;
      state?: { running?: { startedAt: string } };
    }[];
  };
}

/** Throws if there is none, or more than one as during a roll-out. */
export async function agentPod(node: TestNode): Promise<AgentPod> {
  const { items } = await client().list<PodStatus>(PODS, {
    namespace: NAMESPACE,
    labelSelector: 'app.kubernetes.io/component=agent',
    fieldSelector: `spec.nodeName=${node.name}`,
  });
  const [pod] = items;
  if (pod === undefined || items.length > 1) throw new Error(`${node.name} has ${items.length} agents`);
  const container = pod.status?.containerStatuses?.[0];
  const started = container?.state?.running?.startedAt;
  return {
    name: pod.metadata.name,
    address: pod.status?.podIP ?? '',
    ready: container?.ready ?? false,
    containerID: container?.containerID ?? '',
    ...(started === undefined ? {} : { startedAt: Date.parse(started) }),
  };
}

/** Waits until the agent of this boot has reported and is Ready. */
export async function agentReady(node: TestNode): Promise<AgentPod> {
  const boot = await bootOf(node);
  return waitFor(`the agent of ${node.name} to be Ready`, { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
    const [pod, { status }] = await Promise.all([agentPod(node), getNodeReport(node)]);
    return pod.ready && status?.bootID === boot ? pod : undefined;
  });
}

/** The whole HTTP answer of the agent's health port. Asked from the node: kubectl hides what a 503 says. */
export async function healthOf(node: TestNode, agent: AgentPod, path: string): Promise<string> {
  const request = `printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' | busybox nc ${agent.address} 8081`;
  return (await inNode(node, request)).stdout;
}

export async function bootOf(node: TestNode): Promise<string> {
  return (await inNode(node, 'cat /proc/sys/kernel/random/boot_id')).stdout.trim();
}

/** Does what an administrator does with a machine that is gone. Resolves when no object is left of what it ran. */
export async function removeNode(node: TestNode): Promise<void> {
  await cluster().dropNode(node);
  await kubectl(['delete', 'node', node.name, '--ignore-not-found', '--timeout=60s']);
  // Kubernetes itself waits a minute before it deletes pods whose node is gone.
  const onNode = ['--all-namespaces', `--field-selector=spec.nodeName=${node.name}`];
  await kubectl(['delete', 'pods', ...onNode, '--force', '--grace-period=0']);
  await waitFor(`the AppArmorNode ${node.name} to go`, { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
    const found = await client()
      .get(APPARMOR_NODE, { name: node.name })
      .catch((error: unknown) => error);
    return isNotFound(found);
  });
  expect(cluster().nodes).not.to.include(node);
}
