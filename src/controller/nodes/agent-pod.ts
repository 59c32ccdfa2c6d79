import type { ObjectMeta } from '../../api/resources.ts';

/** v1 Pod, as far as it is read here. */
export interface AgentPod {
  metadata: ObjectMeta;
  spec?: { nodeName?: string };
  status?: {
    conditions?: { type: string; status: string; lastTransitionTime?: string }[];
    containerStatuses?: { state?: { waiting?: { reason?: string; message?: string } } }[];
  };
}

/** What the controller's cache keeps of an agent's pod. */
export interface AgentPodView {
  nodeName: string;
  ready: boolean;
  /** Milliseconds since the epoch: when it stopped being ready, or when it was created if it never was. */
  notReadySince: number;
  /** What keeps its container from starting where that is the node's lack of securityfs. */
  securityfsMissing?: string;
  /** The kubelet waits before its next try to start the container, and says no more what the last one failed with. */
  backsOff: boolean;
}

/** The cache's projection; a pod without a node says nothing about one. */
export function viewAgentPod(pod: AgentPod): AgentPodView | undefined {
  const nodeName = pod.spec?.nodeName;
  if (nodeName === undefined) return undefined;
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready');
  const waiting = pod.status?.containerStatuses?.map(({ state }) => state?.waiting) ?? [];
  const securityfsMissing = waiting.map((state) => state?.message ?? '').find((message) => SECURITYFS.test(message));
  return {
    nodeName,
    ready: ready?.status === 'True' && pod.metadata.deletionTimestamp === undefined,
    notReadySince: Date.parse(ready?.lastTransitionTime ?? pod.metadata.creationTimestamp) || 0,
    ...(securityfsMissing === undefined ? {} : { securityfsMissing }),
    backsOff: waiting.some((state) => state?.reason === 'CrashLoopBackOff'),
  };
}

/**
 * The runtime's message where the host folder is missing, as in `failed to mkdir "/sys/kernel/security": operation not
 * permitted`: it tries to make it, which sysfs refuses.
 */
const SECURITYFS = /\/sys\/kernel\/security\b/;

export function sameAgentPod(left: AgentPodView, right: AgentPodView): boolean {
  return (
    left.nodeName === right.nodeName &&
    left.ready === right.ready &&
    left.securityfsMissing === right.securityfsMissing &&
    left.backsOff === right.backsOff
  );
}
