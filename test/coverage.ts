import { glob, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { run } from './testbed/process.ts';

export interface Coverage {
  /** Percent of the lines of all pure modules. */
  pure: number;
  /** One line per source file, the least covered first. */
  report: readonly string[];
}

/**
 * Line coverage of every file in src/, run or not, from what V8 wrote to `folder`. Pure modules are those that take
 * everything they work on as arguments: they can be tested whole by tables, so they have to be. The rest touches
 * processes, files or the API server and is tested against the real ones.
 */
export async function measureCoverage(project: string, folder: string): Promise<Coverage> {
  const c8 = join(project, 'node_modules/c8/bin/c8.js');
  const where = ['--temp-directory', folder, '--reports-dir', join(folder, 'report'), '--all', '--src', 'src'];
  const what = ['--include', 'src/**/*.ts', '--exclude', 'src/api/generated/**', '--reporter', 'json-summary'];
  await run(process.execPath, [c8, 'report', ...where, ...what], { cwd: project, name: 'c8' });
  const summary: unknown = JSON.parse(await readFile(join(folder, 'report/coverage-summary.json'), 'utf8'));
  const lines: FileLines[] = [];
  for (const each of linesByFile(summary as Summary, project)) {
    // Nothing ever loads a file that holds types only.
    if (hasCode(await readFile(join(project, each.file), 'utf8'))) lines.push(each);
  }

  const pure = await pureModules(project);
  const counted = lines.filter(({ file }) => pure.has(file));
  const total = counted.reduce((sum, { total }) => sum + total, 0);
  const covered = counted.reduce((sum, { covered }) => sum + covered, 0);
  const sorted = lines.toSorted((a, b) => a.percent - b.percent);
  const report = sorted.map(({ file, percent }) => {
    return `${percent.toFixed(1).padStart(6)} %  ${file}${pure.has(file) ? '  (pure)' : ''}`;
  });
  return { pure: total === 0 ? 100 : (100 * covered) / total, report };
}

type Summary = Record<string, { lines: { total: number; covered: number; pct: number } }>;

interface FileLines {
  file: string;
  total: number;
  covered: number;
  percent: number;
}

function linesByFile(summary: Summary, project: string): FileLines[] {
  return Object.entries(summary)
    .filter(([path]) => path !== 'total')
    .map(([path, { lines }]) => ({ file: relative(project, path), ...lines, percent: lines.pct }));
}

/** Whether a top-level statement of it is left once the types are gone. */
function hasCode(source: string): boolean {
  return /^(?:export )?(?:async |abstract )?(?:function|const|let|class|await|if|for)\b|^export [{*]|^\w+\(/m.test(
    source,
  );
}

const alwaysPure = /^src\/(policy|api)\//;
const mixed = /^src\/(agent|controller|admission)\//;

/** In folders that hold both, a module is pure if neither it nor what it imports does I/O or is given what does. */
export async function pureModules(project: string): Promise<Set<string>> {
  const modules = new Map<string, Imports>();
  for await (const file of glob('src/**/*.ts', { cwd: project })) {
    modules.set(file, readImports(file, await readFile(join(project, file), 'utf8')));
  }
  const impure = (file: string, seen: ReadonlySet<string>): boolean => {
    const module = modules.get(file);
    if (module === undefined || seen.has(file) || alwaysPure.test(file)) return false;
    return module.doesIo || module.used.some((other) => impure(other, new Set([...seen, file])));
  };
  const pure = [...modules.keys()].filter((file) => {
    return alwaysPure.test(file) || (mixed.test(file) && !impure(file, new Set()));
  });
  return new Set(pure);
}

const importStatement = /^(?:import|export)\s+(type\s+)?([^;]*?)from\s+'([^']+)'/gms;
const ioModule = /^node:(?!crypto|path|util|buffer|url)|^(?:winston|prom-client|@kubernetes\/client-node)$/;
/** Types whose values do I/O: who takes one as an argument does so too. */
const ioType = /\b(?:KubeClient|Transport|WatchCache|WorkQueue|EventRecorder|AppArmorKernel)\b/;

interface Imports {
  doesIo: boolean;
  /** The project's modules that it uses values of. */
  used: readonly string[];
}

function readImports(file: string, source: string): Imports {
  const used: string[] = [];
  let doesIo = false;
  for (const [, typeOnly, names = '', module = ''] of source.matchAll(importStatement)) {
    doesIo ||= ioType.test(names);
    const values = typeOnly === undefined && names.replaceAll(/\btype\s+\w+(\s+as\s+\w+)?|[{},\s]/g, '') !== '';
    if (!values) continue;
    doesIo ||= ioModule.test(module);
    if (module.startsWith('.')) used.push(join(dirname(file), module));
  }
  return { doesIo, used };
}
