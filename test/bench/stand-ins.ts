import { createHash } from 'node:crypto';
import type { AppArmorKernel } from '../../src/kernel/apparmor.ts';
import type { Clock } from '../../src/kube/clock.ts';
import type { CompileRequest, CompileResult } from '../../src/policy/compile.ts';
import { scanPolicy } from '../../src/policy/scan.ts';
import { compiledPolicy } from '../unit/kernel/compiled-policy.ts';
import { createInMemoryKernel } from '../unit/kernel/in-memory-kernel.ts';

/** What is not the real thing where thousands of agents share one machine. Every output of the bench names them. */
export const STAND_INS = [
  'the kernel of every node is a map in memory',
  'apparmor_parser of the agents is a stub, which compiles each text once per process; the controller has the real one, and so has the agent of apply-to-load',
  'state folders are in memory (/dev/shm)',
  'the agents of writes-per-node-100-profiles have a clock that goes ten times slower, since a thousand of them share two processors',
  'Nodes and agent pods are objects without machines: no kubelet, no node Leases, no node-lifecycle and DaemonSet controller',
  'where the controller alone is measured (restart-5000, controller-rss-5000) the bench writes the reports of the nodes; no agents run',
] as const;

/** A kernel that forgets the bytes once it has their hashes, and tells when it got some. */
export function benchKernel(onLoad: () => void): AppArmorKernel {
  const kernel = createInMemoryKernel();
  return {
    state: () => kernel.state(),
    revision: () => kernel.revision(),
    profiles: () => kernel.profiles(),
    remove: (name) => kernel.remove(name),
    async load(binary) {
      await kernel.load(binary);
      kernel.writes.length = 0;
      onLoad();
    },
  };
}

/** One by which whatever takes `times` as long on this machine takes as long as on a node. The date is right. */
export function slowClock(clock: Clock, times: number): Clock {
  const start = clock.now();
  return {
    now: () => start + (clock.now() - start) / times,
    date: () => clock.date(),
    sleep: (ms, signal) => clock.sleep(ms * times, signal),
  };
}

/** More texts than any row has in use at once. */
const MOST_TEXTS = 1_000;

/** One for all agents of a process: each real one has a processor of its own to compile with. */
export function stubCompiler(): (request: CompileRequest) => Promise<CompileResult> {
  const known = new Map<string, Buffer>();
  return async ({ text, mode }) => {
    const hash = createHash('sha256')
      .update(`${mode ?? ''}\n${text}`)
      .digest('hex');
    const binary = known.get(hash) ?? compile(text, mode, hash);
    known.set(hash, binary);
    const [oldest] = known.keys();
    if (known.size > MOST_TEXTS && oldest !== undefined) known.delete(oldest);
    return { kind: 'compiled', binary, warnings: [] };
  };
}

function compile(text: string, mode: CompileRequest['mode'], hash: string): Buffer {
  const profiles = scanPolicy(text).profiles.map(({ name, flags }) => ({
    name,
    mode: mode === 'Complain' || flags.includes('complain') ? 'complain' : 'enforce',
  }));
  return compiledPolicy(profiles, hash);
}
