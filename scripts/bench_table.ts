/**
 * How a benchmark's result is told.
 */

export interface Row {
  /** What was measured. */
  name: string;
  value: number;
  unit: string;
  /** This value beside the bare loop it is compared with, where there is one. */
  ratio?: number;
  /** What the project promises: of the ratio where there is one, else of the value. */
  target?: number;
  /** Whether less is better, as for memory. */
  lowerIsBetter?: boolean;
}

export function formatRows(title: string, rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${format(row.value)} ${row.unit}`,
    row.ratio === undefined ? "" : `x ${format(row.ratio)}`,
    row.target === undefined ? "" : verdict(row, row.target),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map(([name, value, ratio, target]) =>
    `  ${name.padEnd(widths[0])}  ${value.padStart(widths[1])}  ${ratio.padStart(widths[2])}  ${target}`
      .trimEnd()
  );
  return [title, ...lines, ""].join("\n");
}

function verdict(row: Row, target: number): string {
  const measured = row.ratio ?? row.value;
  const met = row.lowerIsBetter ? measured <= target : measured >= target;
  return `${met ? "meets" : "MISSES"} ${row.lowerIsBetter ? "at most" : "at least"} ${format(target)}`;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}
