/** What the agent DaemonSet depends on: the operator's configuration and its own pod. */
export interface AgentConfig {
  namespace: string;
  image: string;
  /** Of the controller's own container, so that a mirrored or preloaded image works for both. */
  imagePullPolicy?: string;
  /** Names of the Secrets with which the controller's own pod gets its image. */
  imagePullSecrets?: readonly string[];
  /** `debug`, `info`, `warn` or `error`. */
  logLevel: string;
}

/** Name of the agent's port for /healthz, /readyz and /metrics, and its number. */
export const AGENT_HEALTH_PORT = { name: 'health', number: 8081 } as const;

/**
 * Measured: a large real policy compiles within 100 MiB; the pathological one that is refused grows for ever. The compile's
 * limit on address space is below the container's memory, because kubelet kills the whole container on cgroup v2 when one
 * process in it runs out of memory.
 */
export const AGENT_MEMORY = {
  request: '64Mi',
  limit: '256Mi',
  compileAddressSpaceBytes: 160 * 1024 * 1024,
} as const;
