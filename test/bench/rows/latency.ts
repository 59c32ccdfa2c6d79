/** The policy whose way from `kubectl apply` to a kernel is timed. */
export const CHANGED_POLICY = { name: 'bench-latency', baseline: 'bench-baseline', bytes: 8_000 } as const;

/** The first change makes the object and warms everybody's caches, and is not counted: what is asked for is a change. */
export const CHANGES = 6;

/** What a fast compile may cost on top of twice the parser's own time. */
export const ALLOWED_MS = 200;
export const PARSER_TIMES = 2;

export function medianOfChanges([, ...counted]: readonly number[]): number {
  return counted.toSorted((left, right) => left - right)[Math.floor(counted.length / 2)] ?? NaN;
}
