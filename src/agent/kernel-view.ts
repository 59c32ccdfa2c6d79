import type { KernelProfile } from '../kernel/apparmor.ts';
import { isLearningName } from '../kernel/profiles.ts';
import { rootOf } from '../kernel/profile-name.ts';
import type { Ledger, LedgerLoad, LoadedProfile } from './ledger.ts';

/** What the kernel showed, with `revision` read before the list. */
export interface KernelSnapshot {
  revision: string;
  profiles: readonly KernelProfile[];
}

/** The snapshot beside the ledger: answers what the kernel holds of ours. */
export interface KernelView {
  has(name: string): boolean;
  /** Names of the kernel's profiles under a top-level name, itself included. */
  under(root: string): readonly string[];
  /** What of a load is not in the kernel as it should be; empty: the kernel holds it. */
  deviations(load: LedgerLoad): readonly Deviation[];
  /** Whether the kernel shows just these bytes under the name; false where it exports no hashes. */
  hasBytes(name: string, load: LedgerLoad): boolean;
  /** Whether we know from this boot what the name holds, so that a difference is drift and not something else's. */
  isOurs(name: string): boolean;
}

export interface Deviation {
  profile: string;
  kind: 'unloaded' | 'replaced' | 'mode';
  /** The mode that the kernel shows, for `mode`. */
  mode?: string;
}

export function viewKernel(kernel: readonly KernelProfile[], ledger: Ledger, bootID: string): KernelView {
  const byName = new Map(kernel.map((profile) => [profile.name, profile]));
  const byRoot = Map.groupBy(byName.keys(), rootOf);
  // Where the kernel exports no hashes at all (CONFIG_SECURITY_APPARMOR_EXPORT_BINARY), the ledger's word of this boot stands in.
  const exportsHashes = kernel.some(({ rawSha256, rawSha1 }) => (rawSha256 ?? rawSha1) !== undefined);

  const deviation = (load: LedgerLoad, wanted: LoadedProfile): Deviation | undefined => {
    const { name: profile } = wanted;
    const held = byName.get(profile);
    if (held === undefined) return { profile, kind: 'unloaded' };
    const loaded = ledger.rows.get(rootOf(profile))?.loaded;
    const recorded = loaded?.load === load.id && loaded.bootID === bootID;
    const same = exportsHashes ? isWrittenFrom(held, load) : recorded;
    if (!same) return { profile, kind: 'replaced' };
    return held.mode === wanted.mode ? undefined : { profile, kind: 'mode', mode: held.mode };
  };

  const hasBytes = (name: string, load: LedgerLoad): boolean => {
    const held = byName.get(name);
    return held !== undefined && isWrittenFrom(held, load);
  };

  return {
    has: (name) => byName.has(name),
    under: (root) => byRoot.get(root) ?? [],
    deviations: (load) =>
      load.profiles
        .filter(({ name }) => !isLearningName(name))
        .map((wanted) => deviation(load, wanted))
        .filter((found) => found !== undefined),
    hasBytes,
    isOurs: (name) => {
      const row = ledger.rows.get(name);
      if (row?.loaded?.bootID === bootID) return true;
      // The agent ended between intent and completion: ours if the kernel holds what was intended.
      if (row?.intent?.bootID !== bootID) return false;
      const intended = ledger.loads.get(row.intent.load);
      return intended !== undefined && (!exportsHashes || hasBytes(name, intended));
    },
  };
}

function isWrittenFrom({ rawSha256, rawSha1 }: KernelProfile, load: LedgerLoad): boolean {
  return rawSha256 === undefined ? rawSha1 === load.sha1 : rawSha256 === load.sha256;
}
