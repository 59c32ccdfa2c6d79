import { access, constants, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { UsageError } from '../../command.ts';
import { parserVersion, ParserUnavailableError, type CompilerPaths } from '../../policy/compile.ts';
import type { LintFlags } from './flags.ts';
import { compareVersions } from './old-parser.ts';

export type FoundCompiler =
  | { kind: 'found'; paths: CompilerPaths; version: string }
  /** `why` ends a sentence that begins "the policies are not compiled: ". */
  | { kind: 'none'; why: string };

export interface CompilerPlaces {
  /** Where programs are looked for. */
  folders: readonly string[];
  /** As in CompilerPaths. */
  workFolder: string;
}

/**
 * What of this machine the policies are compiled with. Nothing here needs AppArmor in the kernel: features come from a file.
 * @throws UsageError if a flag names what cannot be used
 */
export async function findCompiler(
  flags: Pick<LintFlags, 'parser' | 'base' | 'features'>,
  { folders, workFolder }: CompilerPlaces,
): Promise<FoundCompiler> {
  const parser =
    flags.parser === undefined ? await findProgram('apparmor_parser', folders) : await usable('parser', flags.parser);
  const basePath = flags.base === undefined ? '/etc/apparmor.d' : await usable('base', flags.base);
  const features = flags.features === undefined ? await newestAbi(basePath) : await usable('features', flags.features);
  if (parser === undefined)
    return { kind: 'none', why: 'apparmor_parser is not installed (Debian and Ubuntu: apt-get install apparmor)' };
  const prlimit = await findProgram('prlimit', folders);
  if (prlimit === undefined)
    return { kind: 'none', why: 'prlimit of util-linux, which limits apparmor_parser, is not installed' };
  if (features === undefined)
    return { kind: 'none', why: `there is no abi file in ${join(basePath, 'abi')}; give one with --features` };
  const paths = { parser, prlimit, basePath, features, workFolder };
  try {
    return { kind: 'found', paths, version: await parserVersion(paths) };
  } catch (error) {
    if (!(error instanceof ParserUnavailableError)) throw error;
    if (flags.parser !== undefined) throw new UsageError(`--parser: ${error.message}`, { cause: error });
    return { kind: 'none', why: error.message };
  }
}

async function usable(flag: 'parser' | 'base' | 'features', path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new UsageError(`--${flag}: ${path} cannot be opened`, { cause });
  });
  const wanted = { parser: found.isFile(), base: found.isDirectory(), features: true }[flag];
  if (!wanted) throw new UsageError(`--${flag}: ${path} is no ${flag === 'base' ? 'folder' : 'file'}`);
  return resolve(path);
}

async function findProgram(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) return path;
  }
  return undefined;
}

/** Features of the newest kernel that the installed package knows. */
async function newestAbi(basePath: string): Promise<string | undefined> {
  const names = await readdir(join(basePath, 'abi')).catch(() => []);
  const newest = names
    .filter((name) => /^\d+\.\d+$/.test(name))
    .toSorted(compareVersions)
    .at(-1);
  return newest === undefined ? undefined : join(basePath, 'abi', newest);
}
