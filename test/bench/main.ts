import { createHash } from 'node:crypto';
import { glob, readFile, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { defaultCacheFolder, formatElapsed, type Cache } from '../testbed/cache.ts';
import { ensurePrerequisites, PrerequisiteError } from '../testbed/prerequisites.ts';
import { interruption, InterruptedError } from '../testbed/process.ts';
import { allIds, MEASUREMENTS, type Measurement } from './catalogue.ts';
import { growthPlot } from './plot.ts';
import { mergeRows, rowOf, tableOf, type Figure, type Results, type Row } from './results.ts';
import { STAND_INS } from './stand-ins.ts';
import { startWorld, type Reporters } from './world.ts';

const FILE = join(import.meta.dirname, 'results.json');
const PLOT = join(import.meta.dirname, '../../docs/growth.svg');
const PROJECT = join(import.meta.dirname, '../..');

/** `make bench`: ROW (one id, or several with commas) picks; without it, what these sources have not been measured for. */
async function main(): Promise<void> {
  const signal = interruption();
  const startedAt = performance.now();
  const log = (line: string): void => console.log(`[${formatElapsed(performance.now() - startedAt)}] ${line}`);
  try {
    const sources = await sourcesHash();
    const wanted = await wantedIds(process.env['ROW'] ?? '', sources);
    const cache = { folder: defaultCacheFolder(process.env), log, signal };
    const chosen = groups(wanted);
    // What is measured without a world takes the test bed's images and machines.
    const purpose = chosen.some((group) => group.world === undefined) ? 'node' : 'cluster';
    await ensurePrerequisites(purpose, cache, process.env['PATH'] ?? '');
    for (const group of chosen) {
      await measureGroup(
        group,
        { cache, signal, log, profiles: process.env['PROFILES'] || undefined },
        async (figures) => {
          const rows = figures.map((figure) => rowOf(figure, new Date(), sources));
          for (const { id, detail } of rows) log(`${id}: ${detail}`);
          await store(rows);
        },
      );
    }
    const { rows, standIns } = await readResults();
    console.log(`\nStand-ins:\n${standIns.map((each) => `- ${each}`).join('\n')}\n\n${tableOf(rows)}`);
  } catch (error) {
    const expected = error instanceof PrerequisiteError || error instanceof InterruptedError;
    console.error(expected ? error.message : error);
    process.exitCode = error instanceof InterruptedError ? 130 : 1;
  }
}

/** Of everything that could change a figure. */
async function sourcesHash(): Promise<string> {
  const hash = createHash('sha256');
  const files: string[] = [];
  for (const pattern of ['src/**/*.ts', 'test/bench/**/*.ts', 'manifests/**/*.yaml', 'crds/*.yaml', 'Dockerfile']) {
    for await (const file of glob(pattern, { cwd: PROJECT })) files.push(file);
  }
  for (const file of files.sort()) hash.update(file).update(await readFile(join(PROJECT, file)));
  return hash.digest('hex').slice(0, 12);
}

async function wantedIds(text: string, sources: string): Promise<Set<string>> {
  const known = allIds();
  const chosen = text.split(/[\s,]+/).filter((id) => id !== '');
  const unknown = chosen.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new PrerequisiteError([`ROW=${unknown}: the rows are ${known.join(', ')}`]);
  if (chosen.length > 0) return new Set(chosen);
  const done = new Set((await readResults()).rows.filter((row) => row.sources === sources).map(({ id }) => id));
  return new Set(known.filter((id) => !done.has(id)));
}

interface Group {
  /** Absent: none is needed. */
  world?: { nodes: number; reporters: Reporters };
  measurements: readonly Measurement[];
}

/** By the world that they are measured in. */
function groups(wanted: ReadonlySet<string>): Group[] {
  const chosen = MEASUREMENTS.filter(({ ids }) => ids.some((id) => wanted.has(id)));
  const alike = Map.groupBy(chosen, ({ in: where }) =>
    where.kind === 'world' ? `${where.nodes} ${where.reporters}` : '',
  );
  return [...alike.values()].map((measurements) => {
    const [first] = measurements;
    if (first?.in.kind !== 'world') return { measurements };
    const { nodes, reporters } = first.in;
    return { world: { nodes, reporters }, measurements };
  });
}

interface MeasureOptions {
  cache: Cache;
  signal: AbortSignal;
  log: (line: string) => void;
  profiles: string | undefined;
}

async function measureGroup(
  { world: size, measurements }: Group,
  { cache, signal, log, profiles }: MeasureOptions,
  onFigures: (figures: readonly Figure[]) => Promise<void>,
): Promise<void> {
  const profiling = profiles === undefined ? {} : { profiles };
  const world = size === undefined ? undefined : await startWorld({ ...size, cache, signal, log, ...profiling });
  try {
    for (const { ids, in: where } of measurements) {
      log(`measuring ${ids.join(', ')}`);
      const figures =
        where.kind === 'alone'
          ? await where.measure(cache)
          : world && (await where.measure(world, (await readResults()).rows));
      // A change in a world of 5,000 nodes has figures of rows, too, that are measured in one of 1,000.
      await onFigures((figures ?? []).filter(({ id }) => ids.includes(id)));
    }
  } finally {
    await world?.stop();
  }
}

async function readResults(): Promise<Results> {
  const empty = { rows: [] };
  const text = await readFile(FILE, 'utf8').catch(() => JSON.stringify(empty));
  const { rows } = JSON.parse(text) as { rows: Row[] };
  return {
    machine: {
      processors: cpus().length,
      model: cpus()[0]?.model ?? 'unknown',
      memoryBytes: totalmem(),
      system: `Linux ${release()}`,
    },
    versions: { node: process.versions.node, kubernetes: await kubernetesVersion() },
    standIns: STAND_INS,
    rows: mergeRows(rows, [], allIds()),
  };
}

/** What the test bed's module requires. */
async function kubernetesVersion(): Promise<string> {
  const module = await readFile(join(PROJECT, 'test/testbed/kubernetes/go.mod'), 'utf8');
  return /k8s\.io\/kubernetes (v\S+)/.exec(module)?.[1] ?? 'unknown';
}

/** After every measurement, so that an interrupted run goes on where it was. */
async function store(rows: readonly Row[]): Promise<void> {
  const results = await readResults();
  const merged = { ...results, rows: mergeRows(results.rows, rows, allIds()) };
  await writeFile(FILE, `${JSON.stringify(merged, null, 2)}\n`);
  const points = merged.rows.map(({ point }) => point).filter((point) => point !== undefined);
  if (points.length > 0) await writeFile(PLOT, growthPlot(points));
}

await main();
