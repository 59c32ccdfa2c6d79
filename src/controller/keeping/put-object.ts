import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import type { KubeObject, Resource } from '../../kube/resource.ts';

/**
 * Creates or replaces an object and returns it as it is stored. Undefined if somebody was faster: the watch is about to say so,
 * and that event brings the next reconcile. Throws KubeError.
 */
export async function putObject<T extends KubeObject>(
  how: 'create' | 'replace',
  object: T,
  { client, resource }: { client: Pick<KubeClient, 'create' | 'update'>; resource: Resource },
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return how === 'create'
      ? await client.create<T>(resource, object, { signal })
      : await client.update<T>(resource, object, { signal });
  } catch (error) {
    if (isAlreadyExists(error) || isConflict(error) || (how === 'replace' && isNotFound(error))) return undefined;
    throw error;
  }
}
