import { createHash } from 'node:crypto';
import type { AppArmorKernel, EnforcingState, KernelProfile } from '../../../src/kernel/apparmor.ts';
import { KernelWriteError } from '../../../src/kernel/write-error.ts';
import { readCompiledProfiles } from '../../../src/policy/compiled.ts';

/** An AppArmorKernel in memory: load replaces whole policies, keeps stale children, and counts revisions. */
export interface InMemoryKernel extends AppArmorKernel {
  /** As they are held, by name; tests may change them behind the agent's back with `change`. */
  held: ReadonlyMap<string, KernelProfile>;
  /** Changes what is held, as another loader would. */
  change(name: string, profile: Partial<KernelProfile> | undefined): void;
  /** Every binary that was written, refused ones too. */
  writes: Buffer[];
  /** errno names that the next loads are refused with. */
  refusals: string[];
  /** Run before each load is carried out. */
  beforeLoad: (binary: Buffer) => void;
  /** Before 6.8 kernels show SHA-1; those built without CONFIG_SECURITY_APPARMOR_EXPORT_BINARY show none. */
  hash: 'sha256' | 'sha1' | 'none';
  enforcing: EnforcingState;
  /** How often the list was read. */
  lists: number;
}

export function createInMemoryKernel(): InMemoryKernel {
  const held = new Map<string, KernelProfile>();
  let revision = 0;
  const kernel: InMemoryKernel = {
    held,
    writes: [],
    refusals: [],
    beforeLoad: () => undefined,
    hash: 'sha256',
    enforcing: { enforcing: true },
    lists: 0,
    change(name, profile) {
      revision += 1;
      if (profile === undefined) held.delete(name);
      else held.set(name, { mode: 'enforce', ...held.get(name), ...profile, name });
    },
    state: async () => kernel.enforcing,
    revision: async () => String(revision),
    async profiles() {
      kernel.lists += 1;
      return [...held.values()].map(({ rawSha256, rawSha1, ...profile }) => {
        if (kernel.hash === 'sha256' && rawSha256 !== undefined) return { ...profile, rawSha256 };
        return kernel.hash === 'sha1' && rawSha1 !== undefined ? { ...profile, rawSha1 } : profile;
      });
    },
    async load(binary) {
      kernel.beforeLoad(binary);
      kernel.writes.push(binary);
      const refusal = kernel.refusals.shift();
      if (refusal !== undefined) throw new KernelWriteError('load', refusal);
      const rawSha256 = createHash('sha256').update(binary).digest('hex');
      const rawSha1 = createHash('sha1').update(binary).digest('hex');
      for (const { name, mode } of readCompiledProfiles(binary)) held.set(name, { name, mode, rawSha256, rawSha1 });
      revision += 1;
    },
    async remove(name) {
      if (!held.has(name)) throw new KernelWriteError('remove', 'ENOENT');
      for (const other of held.keys()) if (other === name || other.startsWith(`${name}//`)) held.delete(other);
      revision += 1;
    },
  };
  return kernel;
}
