import type { CompileLimits } from './compile.ts';

const MIB = 1024 * 1024;

/**
 * What a text may take at most wherever it is compiled, so that what passes the review can be compiled by every agent. Measured
 * with 4.1 and all of abi/4.0: a generated policy of 2,350 rules and 118 KB needs 96 MiB, an ordinary one with abstractions less
 * than 8. The largest policy seen in the field, 141 KB, takes 4 s natively and 10 s under emulation.
 */
export const LONG_LIMITS: CompileLimits = {
  addressSpaceBytes: 160 * MIB,
  cpuSeconds: 60,
  wallClockMs: 300_000,
  outputBytes: 16 * MIB,
};
