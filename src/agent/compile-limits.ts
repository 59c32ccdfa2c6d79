import type { CompileLimits } from '../policy/compile.ts';
import { LONG_LIMITS } from '../policy/compile-limits.ts';

/**
 * Of the first try of a text; one that overruns it gets the long limits, behind all others. The address space of both stays below
 * what the pod's memory limit (320 MiB) leaves beside the agent itself, so that a runaway parser dies alone: on cgroup v2 the
 * kubelet kills the whole container when any process in it runs out of the container's memory. Measured: the agent takes 61 MiB
 * idle, 90 MiB with 100 policies, and 132 MiB while it takes in a compiled policy of 16 MiB.
 */
export const SHORT_LIMITS: CompileLimits = { ...LONG_LIMITS, cpuSeconds: 5, wallClockMs: 30_000 };
