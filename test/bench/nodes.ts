import { AGENT_SERVICE_ACCOUNT } from '../../src/api/names.ts';
import { AGENT_POD_LABELS } from '../../src/controller/daemonset/agent-daemonset.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { NODES, PODS } from '../../src/kube/resource.ts';
import type { Transport } from '../../src/kube/transport.ts';
import { forEachAtOnce } from './each.ts';

/** What the kernels of all nodes say; Node objects and agents have to agree. */
export const BOOT_ID = '3f1c2a52-0000-4000-8000-00000000be7c';

/** Requests under way at once while a world is set up. */
export const AT_ONCE = 64;

export interface NodeIdentity {
  node: string;
  token: string;
}

export function nodeName(index: number): string {
  return `bench-${String(index).padStart(5, '0')}`;
}

/**
 * Creates Nodes that are Ready, a Ready agent pod on each, and for each pod the token that its kubelet would mount: bound to it, and
 * so to its node.
 */
export async function createNodes(
  cluster: { client: KubeClient; transport: Transport; namespace: string },
  count: number,
): Promise<NodeIdentity[]> {
  const { client, transport, namespace } = cluster;
  const identities: NodeIdentity[] = [];
  await forEachAtOnce(
    Array.from({ length: count }, (_, index) => nodeName(index)),
    AT_ONCE,
    async (node, index) => {
      await client.create(NODES, nodeObject(node) as never);
      const name = `agent-${node}`;
      const pod = await client.create<{ metadata: { uid: string } }>(PODS, podObject(name, namespace, node) as never);
      const ready = { type: 'Ready', status: 'True', lastTransitionTime: now() };
      const status = { phase: 'Running', conditions: [ready] };
      await client.mergePatch(PODS, { namespace, name }, { status }, { subresource: 'status' });
      const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid: pod.metadata.uid };
      const { body } = await transport.request({
        method: 'POST',
        path: `/api/v1/namespaces/${namespace}/serviceaccounts/${AGENT_SERVICE_ACCOUNT}/token`,
        body: {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: { boundObjectRef, expirationSeconds: 6 * 3600 },
        },
      });
      identities[index] = { node, token: (body as { status: { token: string } }).status.token };
    },
  );
  return identities;
}

function nodeObject(name: string): object {
  return {
    metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name } },
    status: {
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'Bench',
          message: '',
          lastHeartbeatTime: now(),
          lastTransitionTime: now(),
        },
      ],
      nodeInfo: {
        bootID: BOOT_ID,
        machineID: '',
        systemUUID: '',
        kernelVersion: '6.12',
        osImage: 'bench',
        containerRuntimeVersion: 'bench',
        kubeletVersion: 'v1.37.2',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
    },
  };
}

function podObject(name: string, namespace: string, nodeName: string): object {
  return {
    metadata: { name, namespace, labels: AGENT_POD_LABELS },
    spec: {
      nodeName,
      serviceAccountName: AGENT_SERVICE_ACCOUNT,
      containers: [{ name: 'agent', image: 'registry.example/apparmor-operator:bench' }],
      terminationGracePeriodSeconds: 0,
    },
  };
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
