import { glob, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Mocha from 'mocha';

/**
 * Runs the mocha tests of one level in this process and writes how many there were: `node test/level.ts LEVEL FILE
 * [PART OF A TITLE]`. test/run.ts calls it. Mocha's own command line would do for the tests, but not for the numbers.
 */
export interface LevelCounts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Per test, unless it sets its own. Nodes are emulated machines, about 20 times slower than this one. */
const timeouts: Record<string, number> = { unit: 10_000, cluster: 60_000, node: 400_000 };

async function runLevel(level: string, countsFile: string, grep: string | undefined): Promise<void> {
  const mocha = new Mocha({
    reporter: level === 'unit' && grep === undefined ? 'dot' : 'spec',
    timeout: timeouts[level] ?? 10_000,
    forbidOnly: true,
    color: process.stdout.isTTY,
  });
  if (grep !== undefined) mocha.grep(grep);
  const files: string[] = [];
  for await (const file of glob(join(import.meta.dirname, level, '**/*.test.ts'))) files.push(file);
  for (const file of files.sort()) mocha.addFile(file);
  await mocha.loadFilesAsync();

  const counts: LevelCounts = { passed: 0, failed: 0, skipped: 0 };
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve());
    runner.on('pass', () => (counts.passed += 1));
    runner.on('fail', () => (counts.failed += 1));
    runner.on('pending', () => (counts.skipped += 1));
    // The test that runs is left, the hooks that end what was started still run.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => runner.abort());
  });
  await writeFile(countsFile, JSON.stringify(counts));
  // A handle that a test forgot must not keep the run from ending; mocha's own command line does the same in CI.
  process.exit(counts.failed === 0 ? 0 : 1);
}

await runLevel(process.argv[2] ?? '', process.argv[3] ?? '', process.argv[4]);
