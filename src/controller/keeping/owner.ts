import { OWNER_CLUSTER_ROLE } from '../../api/names.ts';
import type { ObjectMeta, OwnerReference } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { apiVersionOf, CLUSTER_ROLES } from '../../kube/resource.ts';

/** While the operator is being removed nothing is created; a re-install of its ClusterRole is seen after this time. */
export const WITHOUT_OWNER_MS = 10_000;

/**
 * The object that owns what the controller creates at run time. Undefined while it is gone or going: then whatever is created
 * now would stay behind.
 */
export async function readOwner(client: KubeClient, signal: AbortSignal): Promise<OwnerReference | undefined> {
  try {
    const { metadata } = await client.get<{ metadata: ObjectMeta }>(
      CLUSTER_ROLES,
      { name: OWNER_CLUSTER_ROLE },
      { signal },
    );
    if (metadata.deletionTimestamp !== undefined) return undefined;
    return {
      apiVersion: apiVersionOf(CLUSTER_ROLES),
      kind: CLUSTER_ROLES.kind,
      name: metadata.name,
      uid: metadata.uid,
      controller: true,
      blockOwnerDeletion: false,
    };
  } catch (error) {
    // Without its ClusterRole the controller may not read it either.
    if (isNotFound(error) || isForbidden(error)) return undefined;
    throw error;
  }
}
