import { createHash } from 'node:crypto';
import type { V1DaemonSetSpec, V1PodSpec } from '@kubernetes/client-node';
import { AGENT_DAEMONSET, AGENT_SERVICE_ACCOUNT, ANNOTATION, LABEL } from '../../api/names.ts';
import type { OwnerReference } from '../../api/resources.ts';
import { canonicalJson } from '../../api/revision.ts';
import type { ManagedFields } from '../keeping/last-editor.ts';
import type { NewMeta } from '../new-meta.ts';
import { VIRTUAL_NODE_LABELS } from '../nodes/node-view.ts';
import type { AgentConfig } from './agent-config.ts';
import { agentContainer } from './agent-container.ts';
import { agentVolumes } from './agent-volumes.ts';

/** apps/v1 DaemonSet as it travels; client-node's metadata has `Date` where JSON has strings. */
export interface DaemonSet {
  apiVersion?: string;
  kind?: string;
  metadata: NewMeta & { managedFields?: ManagedFields[] };
  spec: V1DaemonSetSpec;
}

/** Labels of the agents' pods; the DaemonSet's selector can never be changed, so neither can these. */
export const AGENT_POD_LABELS = {
  [LABEL.name]: 'apparmor-operator',
  [LABEL.component]: 'agent',
} as const;

/** The DaemonSet that runs an agent on every Linux node that has a kernel. Pure: equal configurations give equal objects. */
export function agentDaemonSet(config: AgentConfig, owner: OwnerReference): DaemonSet {
  const spec: V1DaemonSetSpec = {
    selector: { matchLabels: AGENT_POD_LABELS },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
    revisionHistoryLimit: 3,
    template: {
      metadata: { labels: { ...AGENT_POD_LABELS, [LABEL.managedBy]: 'apparmor-operator' } },
      spec: podSpec(config),
    },
  };
  return {
    metadata: {
      name: AGENT_DAEMONSET,
      namespace: config.namespace,
      labels: { ...AGENT_POD_LABELS, [LABEL.managedBy]: 'apparmor-operator' },
      annotations: {
        [ANNOTATION.specHash]: createHash('sha256').update(canonicalJson(spec)).digest('hex').slice(0, 16),
      },
      ownerReferences: [owner],
    },
    spec,
  };
}

function podSpec(config: AgentConfig): V1PodSpec {
  return {
    serviceAccountName: AGENT_SERVICE_ACCOUNT,
    priorityClassName: 'system-node-critical',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: NOT_VIRTUAL }] },
      },
    },
    tolerations: [{ operator: 'Exists' }],
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 15,
    ...(config.imagePullSecrets === undefined || config.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: config.imagePullSecrets.map((name) => ({ name })) }),
    containers: [agentContainer(config)],
    volumes: agentVolumes(),
  };
}

/** Tolerating everything, the pods would be bound to virtual nodes, too, and stay pending there. */
const NOT_VIRTUAL = VIRTUAL_NODE_LABELS.map(({ key, value }) => ({ key, operator: 'NotIn', values: [value] }));
