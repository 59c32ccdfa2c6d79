/** The policy whose way from `kubectl apply` to a kernel is timed. */
export const CHANGED_POLICY = { name: 'bench-latency', baseline: 'bench-baseline', bytes: 8_000 } as const;

/** What a fast compile may cost on top of twice the parser's own time. */
export const ALLOWED_MS = 200;
export const PARSER_TIMES = 2;

export const CHANGES_COUNTED = 5;

/** Milliseconds: what the parser takes by itself, and what a change takes from its apply. */
export interface Latency {
  own: number;
  took: number;
}

/** Medians. The first change makes the object and warms everybody's caches, and is not counted: what is asked for is a change. */
export async function latencyOfChanges(change: (version: number) => Promise<Latency>): Promise<Latency> {
  const counted: Latency[] = [];
  for (let version = 0; version <= CHANGES_COUNTED; version++) {
    const latency = await change(version);
    if (version > 0) counted.push(latency);
  }
  return { own: median(counted.map(({ own }) => own)), took: median(counted.map(({ took }) => took)) };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? NaN;
}
