import type { EvictionPod } from '../../../../src/controller/evictions/plan-evictions.ts';

/** A Ready pod of ReplicaSet `web` that waits for a restart. */
export function waiting(name: string, change: Partial<EvictionPod> = {}): EvictionPod {
  return { ...ownedBy('web', name), state: 'pending', ...change };
}

/** A Ready pod of ReplicaSet `web` that runs confined. */
export function confined(name: string, change: Partial<EvictionPod> = {}): EvictionPod {
  return { ...ownedBy('web', name), state: 'confined', ...change };
}

/** Its owner and the name of it. */
export function owner(name: string, kind = 'ReplicaSet'): { owner: { kind: string; name: string; uid: string } } {
  return { owner: { kind, name, uid: `uid-${name}` } };
}

/** The same pod without an owner. */
export function bare(pod: EvictionPod): EvictionPod {
  const copy = { ...pod };
  delete copy.owner;
  return copy;
}

function ownedBy(ownerName: string, name: string): Omit<EvictionPod, 'state'> {
  return { namespace: 'shop', name, uid: `uid-${name}`, ready: true, deleting: false, ...owner(ownerName) };
}
