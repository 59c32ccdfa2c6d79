import { glob, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { readCompiledProfiles } from '../../src/policy/compiled.ts';
import { COMPILE_OPTIONS } from '../../src/policy/compiler.ts';
import { runLimited } from '../../src/policy/limited-process.ts';
import { cached, type Cache } from '../testbed/cache.ts';
import { trixieAppArmor, type TrixieAppArmor } from './trixie-parser.ts';

/** A policy of the parser's own tests. */
export interface CorpusPolicy {
  /** Below `simple_tests/`. */
  file: string;
  text: string;
  /** Names in the policy that the parser compiled, sorted, and where that is; absent where it refused the text. */
  compiled?: { names: readonly string[]; binary: string };
}

/** All policies of the parser's own tests with what the parser makes of each; compiled once, 1 to 2 min on two cores. */
export async function compiledCorpus(cache: Cache): Promise<readonly CorpusPolicy[]> {
  const trixie = await trixieAppArmor(cache);
  const tests = join(trixie.corpus, 'simple_tests');
  const files: string[] = [];
  for await (const file of glob('**/*.sd', { cwd: tests })) files.push(file);
  files.sort();

  const sources = [import.meta.filename, join(import.meta.dirname, '../../src/policy/compiled.ts')];
  const folder = await cached(cache, {
    name: 'compiled-corpus',
    key: [trixie.corpus, ...COMPILE_OPTIONS, ...(await Promise.all(sources.map((source) => readFile(source))))],
    estimate: 'compiling the parser’s own tests, about 2 min',
    build: (folder) => compileAll(trixie, files, folder),
  });
  const names = JSON.parse(await readFile(join(folder, NAMES), 'utf8')) as Record<string, readonly string[]>;
  return Promise.all(
    files.map(async (file, index) => {
      const text = await readFile(join(tests, file), 'utf8');
      const found = names[file];
      return {
        file,
        text,
        ...(found === undefined ? {} : { compiled: { names: found, binary: join(folder, `${index}`) } }),
      };
    }),
  );
}

const NAMES = 'names.json';

async function compileAll(trixie: TrixieAppArmor, files: readonly string[], folder: string): Promise<void> {
  const names: Record<string, readonly string[]> = {};
  const left = files.entries();
  const worker = async (): Promise<void> => {
    for (const [index, file] of left) {
      const binary = await compileFile(trixie, file);
      if (binary === undefined) continue;
      names[file] = readCompiledProfiles(binary)
        .map(({ name }) => name)
        .toSorted();
      await writeFile(join(folder, `${index}`), binary);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  await writeFile(join(folder, NAMES), JSON.stringify(names));
}

/** From the folder and with the search path that the tests are written for. */
async function compileFile({ compiler, corpus }: TrixieAppArmor, file: string): Promise<Buffer | undefined> {
  const { ended, code, stdout } = await runLimited({
    command: compiler.prlimit,
    args: [
      '--cpu=60',
      '--core=0',
      '--',
      compiler.parser,
      ...COMPILE_OPTIONS,
      `--features-file=${compiler.features}`,
      '--base=simple_tests',
      '--',
      join('simple_tests', file),
    ],
    folder: corpus,
    environment: { LC_ALL: 'C' },
    wallClockMs: 180_000,
    outputBytes: 64 * 2 ** 20,
  });
  if (ended !== 'exit') throw new Error(`${file}: the parser did not end by itself: ${ended}`);
  return code === 0 && stdout.length > 0 ? stdout : undefined;
}
