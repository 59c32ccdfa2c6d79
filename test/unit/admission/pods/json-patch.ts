import type { JsonPatchOperation } from '../../../../src/admission/admission-review.ts';

/** Applies `add` operations as RFC 6902 says: the parent must be there. Returns a copy. */
export function applyPatch(document: object, operations: readonly JsonPatchOperation[]): object {
  const copy = structuredClone(document);
  for (const operation of operations) {
    if (operation.op !== 'add') throw new Error(`unexpected: ${operation.op}`);
    const tokens = operation.path
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = tokens.pop();
    let parent: unknown = copy;
    for (const token of tokens) parent = (parent as Record<string, unknown>)[token];
    if (typeof parent !== 'object' || parent === null || last === undefined) throw new Error(`no ${operation.path}`);
    const value = structuredClone(operation.value);
    if (Array.isArray(parent) && last === '-') parent.push(value);
    else (parent as Record<string, unknown>)[last] = value;
  }
  return copy;
}
