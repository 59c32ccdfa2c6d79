import type { V1Volume, V1VolumeMount } from '@kubernetes/client-node';

/** Where the agent's container finds the node. */
export const AGENT_PATH = {
  securityfs: '/sys/kernel/security',
  proc: '/host/proc',
  state: '/var/lib/apparmor-operator',
  scratch: '/tmp',
} as const;

/** The only folders of the host that the agent sees; it writes to the state folder and to securityfs. */
export function agentVolumes(): V1Volume[] {
  return [
    // No type: with Directory, a node without the folder shows nothing but an Event of the kubelet. Unchecked, the runtime
    // fails to make it, and the waiting container's status says so, from which the node is reported as unsupported.
    { name: 'securityfs', hostPath: { path: '/sys/kernel/security' } },
    { name: 'proc', hostPath: { path: '/proc', type: 'Directory' } },
    { name: 'state', hostPath: { path: '/var/lib/apparmor-operator', type: 'DirectoryOrCreate' } },
    { name: 'scratch', emptyDir: { sizeLimit: '64Mi' } },
  ];
}

export function agentVolumeMounts(): V1VolumeMount[] {
  return [
    { name: 'securityfs', mountPath: AGENT_PATH.securityfs },
    { name: 'proc', mountPath: AGENT_PATH.proc, readOnly: true },
    { name: 'state', mountPath: AGENT_PATH.state },
    { name: 'scratch', mountPath: AGENT_PATH.scratch },
  ];
}
