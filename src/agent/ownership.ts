import { compareAge } from '../api/age.ts';
import { rootsOf } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import type { WantedPolicy } from './prepared-revision.ts';

/** An AppArmorProfile that exists, whether or not this node is meant. */
export interface LivingObject {
  uid: string;
  name: string;
  /** Top-level names it defines; absent while its text is not here yet: then it may define any. */
  profiles?: ReadonlySet<string>;
}

export interface Owner {
  uid: string;
  name: string;
}

/** Which object owns a top-level name on this node; undefined if none wants it and the ledger's owner is gone. */
export type OwnerOf = (name: string) => Owner | undefined;

/**
 * The owner is the ledger's while its object lives and still defines the name, otherwise the oldest of the objects that want
 * it here by creation time, then uid. All nodes come to the same answer for what they load first.
 */
export function ownership(
  wanted: readonly WantedPolicy[],
  living: ReadonlyMap<string, LivingObject>,
  ledger: Ledger,
): OwnerOf {
  const oldest = new Map<string, WantedPolicy>();
  for (const policy of wanted) {
    for (const name of claimedNames(policy)) {
      const other = oldest.get(name);
      if (other === undefined || compareAge(policy.object, other.object) < 0) oldest.set(name, policy);
    }
  }
  return (name) => {
    const row = ledger.rows.get(name);
    const holder = row?.loaded === undefined ? undefined : living.get(row.object);
    if (holder !== undefined && stillDefines(holder, name)) return { uid: holder.uid, name: holder.name };
    return oldest.get(name)?.object;
  };
}

/** Top-level names that a policy would write to the kernel. */
export function claimedNames(policy: WantedPolicy): readonly string[] {
  return rootsOf([...policy.profiles, ...policy.names]);
}

function stillDefines(object: LivingObject, name: string): boolean {
  return object.profiles?.has(name) ?? true;
}
