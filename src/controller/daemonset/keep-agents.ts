import type { ReconcileResult } from '../../kube/work-queue.ts';
import type { ControllerOptions } from '../controller.ts';
import type { AgentConfig } from './agent-config.ts';
import { createDaemonSetKeeper, type DaemonSetKeeper, type DaemonSetParts } from './keep-daemonset.ts';
import { imageOfOwnPod } from './own-pod.ts';

/** As far as it concerns the agents. */
export type AgentsOptions = Pick<
  ControllerOptions,
  'namespace' | 'manager' | 'podName' | 'agentImage' | 'agentLogLevel'
>;

/**
 * Keeps the agents, once it is known with which image: the given one, else that of the controller's own pod. A controller
 * that has neither, on a developer's machine, leaves them alone and says so once.
 */
export function createAgentsKeeper(
  options: AgentsOptions,
  parts: Omit<DaemonSetParts, 'config' | 'manager'>,
): DaemonSetKeeper {
  let keeper: DaemonSetKeeper | undefined;
  let told = false;

  return {
    async keep(key, signal): Promise<ReconcileResult | undefined> {
      if (keeper !== undefined) return keeper.keep(key, signal);
      const image = await agentImage(options, parts, signal);
      if (image === undefined) {
        if (!told)
          parts.logger.warn('the agents are left alone: give --agent-image, or run in a pod that knows its POD_NAME');
        told = true;
        return undefined;
      }
      const config: AgentConfig = { namespace: options.namespace, logLevel: options.agentLogLevel, ...image };
      keeper = createDaemonSetKeeper({ ...parts, config, manager: options.manager });
      return keeper.keep(key, signal);
    },
  };
}

async function agentImage(
  options: AgentsOptions,
  parts: Pick<DaemonSetParts, 'client'>,
  signal: AbortSignal,
): Promise<Pick<AgentConfig, 'image' | 'imagePullPolicy' | 'imagePullSecrets'> | undefined> {
  const { podName: name, agentImage: image, namespace } = options;
  const own = name === undefined ? undefined : await imageOfOwnPod(parts.client, { namespace, name }, signal);
  if (image === undefined) return own;
  // The pull secrets are the cluster's; they serve for another image of the same registry, too.
  return { ...own, image };
}
