import type { KubeClient } from '../../kube/client.ts';
import { PODS } from '../../kube/resource.ts';
import type { AgentConfig } from './agent-config.ts';

/** v1 Pod, as far as it is read here. */
interface OwnPod {
  spec?: {
    containers?: { name: string; image?: string; imagePullPolicy?: string }[];
    imagePullSecrets?: { name?: string }[];
  };
}

/** How the controller's own pod gets its image: the agents' default. Throws KubeError, and Error if the pod names no image. */
export async function imageOfOwnPod(
  client: KubeClient,
  pod: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Pick<AgentConfig, 'image' | 'imagePullPolicy' | 'imagePullSecrets'>> {
  const { spec } = await client.get<OwnPod>(PODS, pod, { signal });
  const container = spec?.containers?.find(({ name }) => name === 'controller') ?? spec?.containers?.[0];
  if (container?.image === undefined) throw new Error(`pod ${pod.namespace}/${pod.name} names no image`);
  const secrets = (spec?.imagePullSecrets ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]));
  return {
    image: container.image,
    ...(container.imagePullPolicy === undefined ? {} : { imagePullPolicy: container.imagePullPolicy }),
    ...(secrets.length === 0 ? {} : { imagePullSecrets: secrets }),
  };
}
