import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { CompilerPaths, CompileLimits } from '../../../src/policy/compile.ts';

/** apparmor_parser of the Debian package; features of an abi file, because no AppArmor is needed in the kernel here. */
export const INSTALLED: CompilerPaths = {
  parser: '/usr/sbin/apparmor_parser',
  prlimit: '/usr/bin/prlimit',
  basePath: '/etc/apparmor.d',
  features: '/etc/apparmor.d/abi/3.0',
  workFolder: tmpdir(),
};

export const GENEROUS: CompileLimits = {
  addressSpaceBytes: 512 * 2 ** 20,
  cpuSeconds: 30,
  wallClockMs: 60_000,
  outputBytes: 16 * 2 ** 20,
};

export function assertParserInstalled(): void {
  if (!existsSync(INSTALLED.parser)) {
    throw new Error(`${INSTALLED.parser} is missing; install it with: apt-get install apparmor`);
  }
}
