import { rootOf } from '../../kernel/profile-name.ts';
import { listPages } from '../../kube/client.ts';
import type { Clock } from '../../kube/clock.ts';
import { PODS, RUNNING_PODS } from '../../kube/resource.ts';
import type { Transport } from '../../kube/transport.ts';

export interface PodsInUse {
  /** How many were found. */
  pods: number;
  /** Whether all pods were looked at. */
  complete: boolean;
}

export interface PodsInUseParts<Pod> {
  transport: Transport;
  clock: Clock;
  /** The profiles of its node that a pod names, in its fields and annotations. */
  named: (pod: Pod) => readonly string[];
}

/** `kubectl delete` waits for it. */
const DEADLINE_MS = 3000;

/**
 * Counts the pods that are bound to a node, have not ended and name one of these profiles, or a child of one, page by page for at most three seconds.
 * Does not reject: what could not be looked at is not complete.
 */
export async function countPodsUsing<Pod>(
  profiles: readonly string[],
  { transport, clock, named }: PodsInUseParts<Pod>,
  signal: AbortSignal,
): Promise<PodsInUse> {
  const wanted = new Set(profiles);
  const over = new AbortController();
  const limited = AbortSignal.any([signal, over.signal]);
  void clock.sleep(DEADLINE_MS, limited).then(() => over.abort());
  let pods = 0;
  try {
    for await (const page of listPages<Pod>(transport, PODS, { fieldSelector: RUNNING_PODS, signal: limited })) {
      pods += page.items.filter((pod) => named(pod).some((name) => wanted.has(rootOf(name)))).length;
    }
    return { pods, complete: true };
  } catch {
    return { pods, complete: false };
  } finally {
    over.abort();
  }
}
