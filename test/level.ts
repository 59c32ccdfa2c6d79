import { glob, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import Mocha from 'mocha';

/**
 * Runs the mocha tests of one level in this process, or those of one of so many parts of its files, and writes how many there
 * were: `node test/level.ts LEVEL FILE PART/PARTS [PART OF A TITLE]`. test/run.ts calls it. Mocha's own command line would do for the
 * tests, but not for the numbers.
 */
export interface LevelCounts {
  passed: number;
  skipped: number;
  /** Of each failed test its title and the first line of what it threw. */
  failures: readonly string[];
}

/** Per test, unless it sets its own. Nodes are emulated machines, about 20 times slower than this one. */
const timeouts: Record<string, number> = { unit: 10_000, cluster: 60_000, node: 400_000, long: 400_000 };

async function runLevel(level: string, countsFile: string, part: string, grep: string | undefined): Promise<void> {
  const mocha = new Mocha({
    reporter: level === 'unit' && grep === undefined ? 'dot' : 'spec',
    timeout: timeouts[level] ?? 10_000,
    forbidOnly: true,
    color: process.stdout.isTTY,
  });
  if (grep !== undefined) mocha.grep(grep);
  const files: string[] = [];
  for await (const file of glob(join(import.meta.dirname, level, '**/*.test.ts'))) files.push(file);
  const [which = 1, parts = 1] = part.split('/').map(Number);
  for (const [index, file] of files.sort().entries()) if (index % parts === which - 1) mocha.addFile(file);
  await mocha.loadFilesAsync();

  const counts = { passed: 0, skipped: 0 };
  const failures: string[] = [];
  const elapsedMs = new Map<string, number>();
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve());
    runner.on('pass', () => (counts.passed += 1));
    runner.on('fail', (test, error: unknown) => {
      failures.push(`${test.fullTitle()}: ${firstLine(error)}`);
      // The reporter says why at the end only, which a run that is stopped does not reach.
      console.log(`      ${String(error)}`);
    });
    runner.on('pending', () => (counts.skipped += 1));
    measureFiles(runner, elapsedMs);
    // The test that runs is left, the hooks that end what was started still run.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => runner.abort());
  });
  for (const line of longest(elapsedMs)) console.log(line);
  await writeFile(countsFile, JSON.stringify({ ...counts, failures } satisfies LevelCounts));
  // A handle that a test forgot must not keep the run from ending; mocha's own command line does the same in CI.
  process.exit(failures.length === 0 ? 0 : 1);
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trimStart().split('\n', 1)[0]?.slice(0, 300) ?? '';
}

/** Adds up the time of each file's suites with their hooks; what all files share, such as the cluster's start, is in none. */
function measureFiles(runner: Mocha.Runner, elapsedMs: Map<string, number>): void {
  let began = 0;
  runner.on('suite', ({ parent }) => {
    if (parent?.root === true) began = performance.now();
  });
  runner.on('suite end', ({ parent, file }) => {
    if (parent?.root !== true || file === undefined) return;
    elapsedMs.set(file, (elapsedMs.get(file) ?? 0) + performance.now() - began);
  });
}

/** What a level's time is spent on. */
const WORTH_SAYING_MS = 10_000;

function longest(elapsedMs: ReadonlyMap<string, number>): readonly string[] {
  return [...elapsedMs]
    .filter(([, elapsed]) => elapsed >= WORTH_SAYING_MS)
    .toSorted(([, left], [, right]) => right - left)
    .map(([file, elapsed]) => {
      const seconds = `${Math.round(elapsed / 1000)}`.padStart(5);
      return `${seconds} s  ${relative(join(import.meta.dirname, '..'), file)}`;
    });
}

await runLevel(process.argv[2] ?? '', process.argv[3] ?? '', process.argv[4] ?? '', process.argv[5]);
