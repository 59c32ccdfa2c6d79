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

/** The limit is what the agent's own limits on a compile are made for: a parser that runs away has to die alone. */
export const AGENT_MEMORY = { request: '64Mi', limit: '320Mi' } as const;
