import { isRecord } from '../api/json.ts';

/**
 * The JSON merge patch (RFC 7396) that turns `before` into `after`, or undefined if they are equal. Members that are gone
 * become null; arrays are replaced whole. `after` holds no null.
 */
export function mergePatchBetween(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  const changed: [string, unknown][] = [];
  for (const [name, wanted] of Object.entries(after)) {
    const had = Object.hasOwn(before, name) ? before[name] : undefined;
    if (isRecord(had) && isRecord(wanted)) {
      const inner = mergePatchBetween(had, wanted);
      if (inner !== undefined) changed.push([name, inner]);
    } else if (!equal(had, wanted)) {
      changed.push([name, wanted]);
    }
  }
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) changed.push([name, null]);
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

function equal(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((element, at) => equal(element, right[at]));
  }
  if (isRecord(left) && isRecord(right)) return mergePatchBetween(left, right) === undefined;
  return left === right;
}
