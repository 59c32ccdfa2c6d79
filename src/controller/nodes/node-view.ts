import type { ObjectMeta } from '../../api/resources.ts';

/** v1 Node, as far as it is read here. */
export interface KubeNode {
  metadata: ObjectMeta;
  status?: {
    conditions?: { type: string; status: string }[];
    nodeInfo?: { bootID?: string; operatingSystem?: string; containerRuntimeVersion?: string };
  };
}

/** What the controller's cache keeps of a Node. */
export interface NodeView {
  name: string;
  uid: string;
  /** Milliseconds since the epoch. */
  createdAt: number;
  labels: Readonly<Record<string, string>>;
  bootID: string;
  ready: boolean;
  /** It has no kernel of its own: no agent runs there, and it gets no AppArmorNode. */
  virtual: boolean;
  /** Its container runtime is CRI-O, which gives privileged containers no profile. */
  crio: boolean;
}

/** Labels by which nodes without a kernel of their own are known. */
export const VIRTUAL_NODE_LABELS: readonly { key: string; value: string }[] = [
  { key: 'type', value: 'virtual-kubelet' },
  { key: 'eks.amazonaws.com/compute-type', value: 'fargate' },
];

/** The cache's projection; a node that does not run Linux does not exist for the operator. */
export function viewNode(node: KubeNode): NodeView | undefined {
  const labels = node.metadata.labels ?? {};
  if (labels['kubernetes.io/os'] === 'windows' || node.status?.nodeInfo?.operatingSystem === 'windows')
    return undefined;
  return {
    name: node.metadata.name,
    uid: node.metadata.uid,
    createdAt: Date.parse(node.metadata.creationTimestamp) || 0,
    labels,
    bootID: node.status?.nodeInfo?.bootID ?? '',
    ready: node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    virtual: VIRTUAL_NODE_LABELS.some(({ key, value }) => labels[key] === value),
    crio: node.status?.nodeInfo?.containerRuntimeVersion?.startsWith('cri-o://') ?? false,
  };
}

/** Whether nothing that is decided from a Node differs: kubelets write their Node every few minutes. */
export function sameNode(left: NodeView, right: NodeView): boolean {
  return (
    left.uid === right.uid &&
    left.bootID === right.bootID &&
    left.ready === right.ready &&
    left.virtual === right.virtual &&
    left.crio === right.crio &&
    sameLabels(left.labels, right.labels)
  );
}

function sameLabels(left: Readonly<Record<string, string>>, right: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
