/** One sample of a Prometheus exposition. */
export interface Sample {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/** The samples of these names only: an API server's exposition has tens of thousands of lines. */
export function readSamples(exposition: string, names: ReadonlySet<string>): Sample[] {
  const samples: Sample[] = [];
  for (const line of exposition.split('\n')) {
    const end = line.search(/[{ ]/);
    if (end <= 0 || !names.has(line.slice(0, end))) continue;
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    const labels = [...line.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text] as const);
    samples.push({ name: line.slice(0, end), labels: Object.fromEntries(labels), value });
  }
  return samples;
}

export const REQUESTS = 'apiserver_request_total';

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'APPLY', 'DELETE', 'DELETECOLLECTION']);

/** Answered, never stored. */
const REVIEWS = /reviews$/;

/**
 * What was written to the API server since it started, refused requests included: `GROUP/RESOURCE/SUBRESOURCE` and how often. Left
 * out are Leases, requests for tokens, reviews and dry runs.
 */
export function writesOf(samples: readonly Sample[]): Map<string, number> {
  const writes = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    if (name !== REQUESTS || !WRITES.has(labels['verb'] ?? '') || labels['dry_run'] !== '') continue;
    const { group = '', resource = '', subresource = '' } = labels;
    if (resource === 'leases' || subresource === 'token' || REVIEWS.test(resource)) continue;
    const key = [group, resource, subresource].filter((part) => part !== '').join('/');
    writes.set(key, (writes.get(key) ?? 0) + value);
  }
  return writes;
}

/** What came in between, the most frequent first; what did not change is left out. */
export function difference(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): { what: string; count: number }[] {
  return [...after]
    .map(([what, count]) => ({ what, count: count - (before.get(what) ?? 0) }))
    .filter(({ count }) => count !== 0)
    .sort((left, right) => right.count - left.count || left.what.localeCompare(right.what));
}

export function totalOf(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}

/**
 * A quantile of the observations between two states of a histogram, in the histogram's unit, as Prometheus estimates it: linear
 * inside the bucket that it falls into. Infinity if that is the last. NaN if nothing was observed.
 */
export function quantile(before: readonly Sample[], after: readonly Sample[], rank: number): number {
  const counts = countsBetween(before, after);
  const wanted = rank * (counts.get(Infinity) ?? 0);
  if (wanted === 0) return Number.NaN;
  let lower = { bound: 0, count: 0 };
  for (const [bound, count] of [...counts].sort(([left], [right]) => left - right)) {
    if (count >= wanted) {
      return lower.bound + ((bound - lower.bound) * (wanted - lower.count)) / (count - lower.count);
    }
    lower = { bound, count };
  }
  return Infinity;
}

/** The share, from 0 to 1, of the observations in between that are in the bucket with this bound. NaN if nothing was observed. */
export function shareWithin(before: readonly Sample[], after: readonly Sample[], bound: number): number {
  const counts = countsBetween(before, after);
  return (counts.get(bound) ?? Number.NaN) / (counts.get(Infinity) ?? 0);
}

/** Observations up to each bound, of all series of the histogram together. */
function countsBetween(before: readonly Sample[], after: readonly Sample[]): Map<number, number> {
  const counts = new Map<number, number>();
  const add = (samples: readonly Sample[], sign: 1 | -1): void => {
    for (const { labels, value } of samples) {
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      counts.set(bound, (counts.get(bound) ?? 0) + sign * value);
    }
  };
  add(after, 1);
  add(before, -1);
  return counts;
}
