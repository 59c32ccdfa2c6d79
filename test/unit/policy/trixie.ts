import type { CompilerPaths } from '../../../src/policy/compile.ts';
import { trixieAppArmor, type TrixieAppArmor } from '../../corpus/trixie-parser.ts';
import { defaultCacheFolder } from '../../testbed/cache.ts';

/** Time for what is not in the cache yet. */
export const FETCH_MS = 10 * 60_000;

/** The image's parser 4.1 and policy folder, whatever the machine has; to be called in a hook with {@link FETCH_MS}. */
export async function trixie(): Promise<TrixieAppArmor> {
  return trixieAppArmor({ folder: defaultCacheFolder(process.env), log: console.log });
}

export async function trixieCompiler(): Promise<CompilerPaths> {
  return (await trixie()).compiler;
}
