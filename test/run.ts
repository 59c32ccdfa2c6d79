import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureCoverage } from './coverage.ts';
import type { LevelCounts } from './level.ts';
import { defaultCacheFolder, formatElapsed } from './testbed/cache.ts';
import { ensurePrerequisites, PrerequisiteError } from './testbed/prerequisites.ts';
import { interruption, InterruptedError, start, type OwnedProcess, type ProcessOptions } from './testbed/process.ts';

/** `make test`: LEVEL (one, or several with commas; default all) and GREP (part of a title) pick what runs. */
async function main(): Promise<void> {
  const signal = interruption();
  const folder = await makeRunFolder();
  try {
    const wanted = process.env['LEVEL'] ?? '';
    const levels = chosenLevels(wanted);
    const results = await runLevels({ levels, grep: process.env['GREP'] || undefined, folder, signal });
    if (wanted === '') console.log(`\non demand only: make test LEVEL=${ON_DEMAND.join(',')}`);
    process.exitCode = summarize(results);
  } catch (error) {
    const expected = error instanceof PrerequisiteError || error instanceof InterruptedError;
    console.error(expected ? error.message : error);
    process.exitCode = error instanceof InterruptedError ? 130 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const runFolderName = /^apparmor-operator-test-(\d+)-/;

/** Named by this process's id, so that what a killed run left can be told from a run beside this one. */
async function makeRunFolder(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = runFolderName.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return mkdtemp(join(tmpdir(), `apparmor-operator-test-${process.pid}-`));
}

const allLevels = ['lint', 'types', 'unit', 'cluster', 'node', 'long'] as const;
/** Machines that boot, and what takes every object away: a quarter of an hour more than anybody waits for before a push. */
const ON_DEMAND: readonly Level[] = ['long'];
type Level = (typeof allLevels)[number];

interface Plan {
  levels: readonly Level[];
  grep: string | undefined;
  /** For everything that this run leaves, removed at its end. */
  folder: string;
  signal: AbortSignal;
}

interface LevelResult extends LevelCounts {
  level: string;
  elapsedMs: number;
}

const project = join(import.meta.dirname, '..');

function chosenLevels(text: string): readonly Level[] {
  const names = text.split(/[\s,]+/).filter((name) => name !== '');
  const unknown = names.find((name) => !allLevels.some((level) => level === name));
  if (unknown !== undefined) throw new PrerequisiteError([`LEVEL=${unknown}: the levels are ${allLevels.join(', ')}`]);
  return allLevels.filter((level) => (names.length === 0 ? !ON_DEMAND.includes(level) : names.includes(level)));
}

async function runLevels(plan: Plan): Promise<LevelResult[]> {
  const { levels, signal } = plan;
  const onNodes = levels.includes('node') || levels.includes('long');
  const purpose = onNodes ? 'node' : levels.includes('cluster') ? 'cluster' : 'unit';
  const cache = { folder: defaultCacheFolder(process.env), log: console.log, signal };
  await ensurePrerequisites(purpose, cache, process.env['PATH'] ?? '');

  const preparation = onNodes ? startPreparation(plan) : undefined;
  try {
    const results: LevelResult[] = [];
    for (const level of levels) {
      console.log(`\n=== ${level}`);
      const started = performance.now();
      const counts = await runLevel(level, plan, preparation);
      signal.throwIfAborted();
      results.push({ level, ...counts, elapsedMs: performance.now() - started });
    }
    return results;
  } finally {
    await preparation?.stop();
  }
}

/** Makes what the node tests need while earlier levels run; with low priority, since there may be two cores only. */
function startPreparation(plan: Plan): OwnedProcess {
  const main = join(import.meta.dirname, 'testbed/main.ts');
  return start('nice', ['-n', '10', process.execPath, main, 'prepare'], {
    ...owned(plan),
    name: 'preparation',
    onOutput: (text) => process.stdout.write(text.replaceAll(/^(?=.)/gm, '[prepare] ')),
  });
}

async function runLevel(level: Level, plan: Plan, preparation: OwnedProcess | undefined): Promise<LevelCounts> {
  switch (level) {
    case 'lint':
      return check(plan, ['oxlint', '--type-aware', '--deny-warnings'], ['oxfmt', '--check']);
    case 'types':
      return check(plan, ['tsc', '--noEmit']);
    case 'unit':
      return runUnit(plan);
    case 'cluster':
      return runMocha(level, plan);
    case 'node':
    case 'long':
      if (preparation !== undefined && !(await succeeded(preparation))) {
        return failedOnce('what the node tests need could not be prepared, see [prepare] above');
      }
      return runMocha(level, plan);
    default:
      return level satisfies never;
  }
}

const passedOnce: LevelCounts = { passed: 1, skipped: 0, failures: [] };

function failedOnce(why: string): LevelCounts {
  return { passed: 0, skipped: 0, failures: [why] };
}

/** Runs all tools, so that all that is wrong is seen at once. */
async function check(plan: Plan, ...commands: readonly (readonly [string, ...string[]])[]): Promise<LevelCounts> {
  const failed: string[] = [];
  for (const [tool, ...args] of commands) {
    const child = start(join(project, 'node_modules/.bin', tool), args, shown(plan, tool));
    if (!(await succeeded(child))) failed.push(tool);
  }
  return failed.length === 0 ? passedOnce : failedOnce(`${failed.join(' and ')}, see above`);
}

const leastPureCoverage = 95;

async function runUnit(plan: Plan): Promise<LevelCounts> {
  const folder = join(plan.folder, 'coverage');
  const counts = await runMocha('unit', plan, { NODE_V8_COVERAGE: folder });
  if (plan.grep !== undefined || plan.signal.aborted) return counts;

  const { pure, report } = await measureCoverage(project, folder);
  console.log(`line coverage by the unit tests\n${report.join('\n')}`);
  const enough = pure >= leastPureCoverage;
  console.log(`pure modules together: ${pure.toFixed(1)} %, at least ${leastPureCoverage} % are wanted`);
  return addedUp([counts, enough ? passedOnce : failedOnce(`line coverage of pure modules: ${pure.toFixed(1)} %`)]);
}

/**
 * A process of tests uses one processor of two at most, and those of the control plane mostly wait. So their files run in two halves
 * side by side, where the tests share nothing: each half of the cluster level has a control plane of its own.
 */
const PARTS: Partial<Record<Level, number>> = { unit: 2, cluster: 2 };

async function runMocha(level: Level, plan: Plan, env: Record<string, string> = {}): Promise<LevelCounts> {
  const parts = plan.grep === undefined ? (PARTS[level] ?? 1) : 1;
  const all = await Promise.all(
    Array.from({ length: parts }, (_, index) => runPart(level, { which: index + 1, of: parts }, plan, env)),
  );
  const counts = addedUp(all);
  return counts.passed + counts.failures.length > 0 ? counts : addedUp([counts, failedOnce('no test ran')]);
}

/** The first part's output is shown as it comes, that of another when it has ended. */
async function runPart(
  level: Level,
  part: { which: number; of: number },
  plan: Plan,
  env: Record<string, string>,
): Promise<LevelCounts> {
  const name = `${level}-${part.which}`;
  const file = join(plan.folder, `${name}.json`);
  const grep = plan.grep === undefined ? [] : [plan.grep];
  const args = [join(import.meta.dirname, 'level.ts'), level, file, `${part.which}/${part.of}`, ...grep];
  const kept: string[] = [];
  const onOutput = (text: string): void => void (part.which === 1 ? process.stdout.write(text) : kept.push(text));
  const child = start(process.execPath, args, { ...owned(plan), name, onOutput, env: { ...env, TMPDIR: plan.folder } });
  await child.exited;
  process.stdout.write(kept.join(''));
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LevelCounts;
  } catch {
    return failedOnce(`the tests of part ${part.which} did not come to their end`);
  }
}

function addedUp(all: readonly LevelCounts[]): LevelCounts {
  const sum = (of: 'passed' | 'skipped'): number => all.reduce((total, each) => total + each[of], 0);
  return { passed: sum('passed'), skipped: sum('skipped'), failures: all.flatMap((each) => each.failures) };
}

/** Stopped tests get the time to end what they started: virtual machines, network namespaces. */
function owned(plan: Plan): ProcessOptions {
  return { cwd: project, signal: plan.signal, graceMs: 60_000 };
}

function shown(plan: Plan, name: string): ProcessOptions {
  return { ...owned(plan), name, onOutput: (text) => process.stdout.write(text) };
}

async function succeeded(child: OwnedProcess): Promise<boolean> {
  return (await child.exited).code === 0;
}

/** More than these are one mistake with many faces; they must leave the levels in sight of whoever sees an end only. */
const FAILURES_SHOWN = 10;

/**
 * Prints what failed, the levels and, as the last line, the sums. Returns the exit code: 0 only if all ran and all passed.
 */
function summarize(results: readonly LevelResult[]): number {
  const failures = results.flatMap(({ level, failures }) => failures.map((failure) => `failed: ${level}: ${failure}`));
  console.log(['', ...failures.slice(0, FAILURES_SHOWN)].join('\n'));
  for (const result of results) {
    console.log(`${result.level.padEnd(8)} ${describeCounts(result)} in ${formatElapsed(result.elapsedMs)}`);
  }
  const all = addedUp(results);
  console.log(describeCounts(all));
  return all.failures.length === 0 && all.skipped === 0 && all.passed > 0 ? 0 : 1;
}

function describeCounts({ passed, failures, skipped }: LevelCounts): string {
  return `${passed} passed, ${failures.length} failed, ${skipped} skipped`;
}

await main();
