import { createHash, type Hash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runLimited } from './limited-process.ts';

export interface CompilerPaths {
  /** apparmor_parser */
  parser: string;
  prlimit: string;
  /** The folder of abi, abstractions and tunables: /etc/apparmor.d of the image, never the host's. */
  basePath: string;
  /** Folder of a kernel's features in securityfs, or an abi file. */
  features: string;
  /** In which a private scratch folder is made for each compile. */
  workFolder: string;
}

export class ParserUnavailableError extends Error {
  override readonly name = 'ParserUnavailableError';
}

/** The parser's version, as `4.1.0`. @throws ParserUnavailableError if it cannot be run. */
export async function parserVersion(paths: CompilerPaths): Promise<string> {
  const run = await runLimited({
    command: paths.parser,
    args: ['--version'],
    folder: '/',
    environment: { LC_ALL: 'C' },
    wallClockMs: 10_000,
    outputBytes: 4096,
  }).catch((cause: unknown) => {
    throw new ParserUnavailableError(`${paths.parser} cannot be started`, { cause });
  });
  const version = /^AppArmor parser version (\S+)/m.exec(run.stdout.toString('utf8'))?.[1];
  if (version !== undefined) return version;
  throw new ParserUnavailableError(`${paths.parser} --version says: ${run.stderr.slice(0, 200)}`);
}

/**
 * What makes the same text the same binary, apart from the features. No kernel, no cache, no configuration file of the machine,
 * no worker process (-j0). Without the warnings the parser leaves out in silence what the features do not have.
 */
export const COMPILE_OPTIONS: readonly string[] = [
  '--config-file=/dev/null',
  '--skip-kernel-load',
  '--skip-cache',
  '--skip-read-cache',
  '--stdout',
  '-j0',
  '--warn=rule-not-enforced',
  '--warn=rule-downgraded',
];

/**
 * A hash of everything besides the text and its mode that makes a compiled policy: parser, options, features, and the abi,
 * abstractions and tunables. As long as it is the same, compiling again gives the same bytes.
 */
export async function compilerFingerprint(paths: CompilerPaths): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(COMPILE_OPTIONS));
  for (const path of [paths.parser, paths.features, paths.basePath]) addTree(hash, path);
  return hash.digest('hex');
}

/**
 * Names and contents, each with its length in front so that no two trees run into the same bytes. Links are followed.
 * Synchronous: the round trips through the thread pool for 200 small files cost a starting agent three times as much.
 */
function addTree(hash: Hash, path: string): void {
  if (!statSync(path).isDirectory()) {
    const content = readFileSync(path);
    hash.update(`file ${content.length}\n`).update(content);
    return;
  }
  const names = readdirSync(path).toSorted();
  hash.update(`folder ${names.length}\n`);
  for (const name of names) {
    hash.update(`${Buffer.byteLength(name)} ${name}\n`);
    const child = join(path, name);
    // A link to nothing, as distributions leave in `disable/`, is nothing to the parser either.
    if (statSync(child, { throwIfNoEntry: false }) === undefined) hash.update('missing\n');
    else addTree(hash, child);
  }
}
