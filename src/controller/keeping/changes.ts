import { isRecord } from '../../api/json.ts';

/** One difference between two JSON values. */
export interface Change {
  /** As `spec.template.spec.containers[agent].image`. */
  path: string;
  before: unknown;
  now: unknown;
}

/**
 * What differs, member by member. Elements of lists are matched by `name` or `key` where all have one, so that an added
 * container is one change and not a change of every container after it.
 */
export function changesBetween(before: unknown, now: unknown, path: string): Change[] {
  if (isRecord(before) && isRecord(now)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
    return keys.flatMap((key) => changesBetween(before[key], now[key], path === '' ? key : `${path}.${key}`));
  }
  if (Array.isArray(before) && Array.isArray(now)) {
    const left = byName(before);
    const right = byName(now);
    if (left !== undefined && right !== undefined) {
      const names = [...new Set([...left.keys(), ...right.keys()])];
      return names.flatMap((name) => changesBetween(left.get(name), right.get(name), `${path}[${name}]`));
    }
    const length = Math.max(before.length, now.length);
    return Array.from({ length }, (_, index) => changesBetween(before[index], now[index], `${path}[${index}]`)).flat();
  }
  return before === now ? [] : [{ path, before, now }];
}

/** The changes in words, as the one who undoes them sees them; the longest text is bounded by `most`. */
export function describeChanges(changes: readonly Change[], most = 5): string {
  const told = changes.slice(0, most).map(({ path, before, now }) => {
    if (before === undefined) return `${path} (had been removed)`;
    if (now === undefined) return `${path} (had been added)`;
    return `${path} (had been set to ${short(before)}, is ${short(now)} again)`;
  });
  return [...told, ...(changes.length > most ? [`and ${changes.length - most} more`] : [])].join(', ');
}

function byName(list: readonly unknown[]): Map<string, unknown> | undefined {
  const named = new Map<string, unknown>();
  for (const element of list) {
    if (!isRecord(element)) return undefined;
    const name = element['name'] ?? element['key'] ?? element['mountPath'];
    if (typeof name !== 'string' || named.has(name)) return undefined;
    named.set(name, element);
  }
  return named;
}

function short(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
