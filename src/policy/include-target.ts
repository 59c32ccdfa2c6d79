import { posix } from 'node:path';
import type { PathForm } from './scanned.ts';

/**
 * Where the parser looks for a file that an include or an abi names. `nowhere`: a path without `<…>` is relative to the folder in
 * which the parser runs, which holds nothing but the policy.
 */
export type IncludeTarget = { kind: 'found' | 'missing'; path: string } | { kind: 'nowhere' };

/** @param exists Whether a file or folder is there; it gets an absolute path. */
export function includeTarget(
  { path, form }: { path: string; form: PathForm },
  basePath: string,
  exists: (path: string) => boolean,
): IncludeTarget {
  if (form !== 'magic' && !path.startsWith('/')) return { kind: 'nowhere' };
  const target = form === 'magic' ? posix.join(basePath, path) : posix.normalize(path);
  return { kind: exists(target) ? 'found' : 'missing', path: target };
}
