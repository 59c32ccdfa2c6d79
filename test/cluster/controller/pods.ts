import { AGENT_POD_LABELS } from '../../../src/controller/daemonset/agent-daemonset.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { NODES, PODS, type KubeObject, type ObjectMeta } from '../../../src/kube/resource.ts';
import { waitFor } from '../../testbed/process.ts';
import { kubectl, NAMESPACE } from '../api/installation.ts';
import { controlPlane } from '../fixture.ts';

interface Pod extends KubeObject {
  metadata: ObjectMeta;
  spec?: { nodeName?: string };
}

/** The pod that the DaemonSet controller made for the node, and the scheduler bound to it. No kubelet ever starts it. */
async function agentPod(client: KubeClient, node: string): Promise<Pod> {
  const labelSelector = Object.entries(AGENT_POD_LABELS)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  return waitFor(`the agent's pod on ${node}`, { deadlineMs: 30_000 }, async () => {
    const { items } = await client.list<Pod>(PODS, { namespace: NAMESPACE, labelSelector });
    return items.find(({ metadata, spec }) => spec?.nodeName === node && metadata.deletionTimestamp === undefined);
  });
}

/** What the node's kubelet would say of its agent; the node has room for pods from now on. */
export async function agentSays(client: KubeClient, node: string, status: object): Promise<void> {
  const allocatable = { cpu: '4', memory: '8Gi', pods: '110' };
  await client.mergePatch(NODES, { name: node }, { status: { allocatable } }, { subresource: 'status' });
  const { metadata } = await agentPod(client, node);
  await patchStatus(client, { namespace: NAMESPACE, name: metadata.name }, status);
}

export const READY = { phase: 'Running', conditions: [readyCondition('True', new Date())] };

export function notReadySince(time: Date): object {
  return { phase: 'Running', conditions: [readyCondition('False', time)] };
}

function readyCondition(status: string, time: Date): object {
  return { type: 'Ready', status, lastTransitionTime: time.toISOString().replace(/\.\d+Z$/, 'Z') };
}

/** A namespace in which pods can be created. */
export async function createNamespace(name: string): Promise<void> {
  await kubectl(['create', 'namespace', name]);
  await waitFor(`the ServiceAccount of ${name}`, { deadlineMs: 20_000 }, async () => {
    const { code } = await controlPlane().kubectl(['get', 'serviceaccount', 'default', `--namespace=${name}`]);
    return code === 0 ? true : undefined;
  });
}

/** A pod that is bound to the node and waits there for its kubelet. */
export async function createPod(client: KubeClient, name: string, node: string, profile: string): Promise<void> {
  const securityContext = { appArmorProfile: { type: 'Localhost', localhostProfile: profile } };
  await client.create(PODS, {
    metadata: { namespace: 'default', name },
    spec: {
      nodeName: node,
      containers: [{ name: 'c', image: 'i', securityContext }],
      terminationGracePeriodSeconds: 0,
    },
  } as KubeObject);
}

export async function podEnds(client: KubeClient, name: string): Promise<void> {
  await patchStatus(client, { namespace: 'default', name }, { phase: 'Succeeded' });
}

/** As the kubelet does when the containers have ended. */
export async function removePod(name: string): Promise<void> {
  await kubectl(['delete', 'pod', name, '--namespace=default', '--force', '--grace-period=0', '--ignore-not-found']);
}

async function patchStatus(
  client: KubeClient,
  key: { namespace: string; name: string },
  status: object,
): Promise<void> {
  await client.mergePatch(PODS, key, { status }, { subresource: 'status' });
}
