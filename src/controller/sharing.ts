import { hash } from 'node:crypto';

/** Returns the first of all equal values that is still used anywhere; `make` may give another one to be the first. */
export type Sharing = <T extends object>(value: T, make?: () => T) => T;

/** For projections of which most have much in common with others: a cache then keeps that once. */
export function createSharing(): Sharing {
  const known = new Map<string, WeakRef<object>>();
  let sweepAt = 1000;
  return <T extends object>(value: T, make = () => value): T => {
    const key = hash('sha1', JSON.stringify(value), 'base64');
    const first = known.get(key)?.deref();
    // Equal JSON, hence of the same type.
    if (first !== undefined) return first as T;
    const made = make();
    known.set(key, new WeakRef(made));
    if (known.size > sweepAt) {
      for (const [old, reference] of known) if (reference.deref() === undefined) known.delete(old);
      sweepAt = Math.max(1000, 2 * known.size);
    }
    return made;
  };
}
