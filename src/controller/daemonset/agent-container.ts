import type { V1Container, V1Probe, V1SecurityContext } from '@kubernetes/client-node';
import { AGENT_HEALTH_PORT, AGENT_MEMORY, type AgentConfig } from './agent-config.ts';
import { AGENT_PATH, agentVolumeMounts } from './agent-volumes.ts';

/** The agent's container: its command line, rights, needs and probes. */
export function agentContainer(config: AgentConfig): V1Container {
  return {
    name: 'agent',
    image: config.image,
    ...(config.imagePullPolicy === undefined ? {} : { imagePullPolicy: config.imagePullPolicy }),
    // No command: the image's entry point is the agent.
    args: [
      'agent',
      '--node=$(NODE_NAME)',
      `--securityfs=${AGENT_PATH.securityfs}`,
      `--proc=${AGENT_PATH.proc}`,
      `--state-folder=${AGENT_PATH.state}`,
      `--health-port=${AGENT_HEALTH_PORT.number}`,
      `--log-level=${config.logLevel}`,
    ],
    env: [
      { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    ],
    ports: [{ name: AGENT_HEALTH_PORT.name, containerPort: AGENT_HEALTH_PORT.number, protocol: 'TCP' }],
    resources: {
      requests: { cpu: '10m', memory: AGENT_MEMORY.request },
      limits: { memory: AGENT_MEMORY.limit },
    },
    securityContext: SECURITY_CONTEXT,
    livenessProbe: probe('/healthz', { initialDelaySeconds: 15, periodSeconds: 30, failureThreshold: 4 }),
    // A roll-out waits for each node in turn, and an agent that is Ready stays so: the period is what each node waits.
    readinessProbe: probe('/readyz', { periodSeconds: 2, failureThreshold: 3 }),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: agentVolumeMounts(),
  };
}

/**
 * Measured: all that loading, replacing and looking into the host's /proc need. Unconfined, because the kernel refuses
 * policy writes of a confined process.
 */
const SECURITY_CONTEXT: V1SecurityContext = {
  runAsUser: 0,
  runAsNonRoot: false,
  privileged: false,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'], add: ['MAC_ADMIN'] },
  appArmorProfile: { type: 'Unconfined' },
  seccompProfile: { type: 'RuntimeDefault' },
};

function probe(path: string, timing: Partial<V1Probe>): V1Probe {
  return { httpGet: { path, port: AGENT_HEALTH_PORT.name, scheme: 'HTTP' }, timeoutSeconds: 5, ...timing };
}
