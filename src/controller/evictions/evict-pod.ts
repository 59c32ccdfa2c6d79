import { KubeError } from '../../kube/errors.ts';
import { objectPath, PODS } from '../../kube/resource.ts';
import type { Transport } from '../../kube/transport.ts';
import type { EvictionPod } from './plan-evictions.ts';

export type EvictionResult =
  | { kind: 'evicted' }
  /** It is gone, or another pod has its name: there is nothing to evict. */
  | { kind: 'gone' }
  /** A PodDisruptionBudget, or whoever else decides about evictions, does not let it go now. */
  | { kind: 'refused'; error: KubeError }
  /** The operator has no right to evict pods. */
  | { kind: 'denied' };

/**
 * One call of the Eviction API, for this very pod; the API server asks the PodDisruptionBudgets. Throws KubeError if it
 * could not be asked, and the signal's reason if that aborts.
 */
export async function evictPod(
  { namespace, name, uid }: Pick<EvictionPod, 'namespace' | 'name' | 'uid'>,
  transport: Pick<Transport, 'request'>,
  signal: AbortSignal,
): Promise<EvictionResult> {
  const body = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { namespace, name },
    deleteOptions: { preconditions: { uid } },
  };
  try {
    await transport.request({ method: 'POST', path: objectPath(PODS, { namespace, name }, 'eviction'), body, signal });
    return { kind: 'evicted' };
  } catch (error) {
    if (!(error instanceof KubeError) || error.status === 0) throw error;
    if (error.status === 404 || error.status === 409) return { kind: 'gone' };
    // A webhook that refuses an eviction may answer with 403 as well.
    const denied = error.status === 403 && error.message.includes('cannot create resource "pods/eviction"');
    return denied ? { kind: 'denied' } : { kind: 'refused', error };
  }
}
