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
