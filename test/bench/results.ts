/** One measured figure. Every goal is an upper bound. */
export interface Row {
  id: string;
  value: number;
  unit: string;
  goal: number;
  met: boolean;
  /** How it was measured, and what it is made of. */
  detail: string;
  /** RFC 3339. */
  measuredAt: string;
  /** Of the sources that it was measured with. */
  sources: string;
  /** If it is a point of the curves of growth. */
  point?: Point;
}

/** What was measured at one size, the rest being as at the others of its curve. */
export interface Point {
  of: 'nodes' | 'policies';
  size: number;
  seconds: number;
  writes: number;
  controllerMB: number;
}

export interface Machine {
  processors: number;
  model: string;
  memoryBytes: number;
  system: string;
}

export interface Results {
  machine: Machine;
  versions: Record<string, string>;
  standIns: readonly string[];
  rows: readonly Row[];
}

export type Figure = Omit<Row, 'met' | 'measuredAt' | 'sources'>;

/** A figure that is not a number meets no goal. */
export function rowOf(figure: Figure, measuredAt: Date, sources: string): Row {
  const value = Number(figure.value.toPrecision(4));
  return { ...figure, value, met: value <= figure.goal, measuredAt: measuredAt.toISOString(), sources };
}

/** How much faster than linearly the fastest of a point's figures has grown since another; at most 1 if none has. */
export function growthOver(first: Point, point: Point): number {
  const linear = point.size / first.size;
  return Math.max(...(['seconds', 'writes', 'controllerMB'] as const).map((key) => point[key] / first[key] / linear));
}

/** New rows replace those of the same id; the order is that of `ids`, and what is not among them is dropped. */
export function mergeRows(old: readonly Row[], measured: readonly Row[], ids: readonly string[]): Row[] {
  const rows = new Map([...old, ...measured].map((row) => [row.id, row]));
  return ids.map((id) => rows.get(id)).filter((row) => row !== undefined);
}

export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ id, value, unit, goal, met }) => [
    id,
    String(value),
    `≤ ${Number(goal.toPrecision(4))}`,
    unit,
    met ? 'met' : 'MISSED',
  ]);
  const all = [['row', 'value', 'goal', 'unit', ''], ...lines];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
