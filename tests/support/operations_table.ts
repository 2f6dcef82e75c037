/**
 * The table of symptoms and procedures in docs/operations.md, as data: what operators look up, and what they
 * type and see.
 */

export interface OperationsRow {
  /** The symptom or procedure: the first column. */
  readonly when: string;
  /** The commands of the second column, as they are to be typed. */
  readonly commands: readonly string[];
  /** What stands in code spans in the third column: it must be on the screen, word for word. */
  readonly seen: readonly string[];
}

/** @throws when there is no such section or table, or a row is not made as the others are */
export function readOperationsTable(document: string): OperationsRow[] {
  const section = /^## Symptoms and procedures$([^]*?)(?=^## |$(?![^]))/m.exec(document)?.[1];
  if (section === undefined) throw new Error("docs/operations.md has no section Symptoms and procedures");
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  // The first two are the header and the line below it.
  const rows = lines.slice(2).map(readRow);
  if (rows.length === 0) throw new Error("The section Symptoms and procedures has no table");
  return rows;
}

function readRow(line: string): OperationsRow {
  const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
  if (cells.length !== 3) throw new Error(`A row has three columns, not ${cells.length}: ${line}`);
  const [when, type, see] = cells;
  const commands = codeSpans(type);
  if (commands.length === 0) throw new Error(`Nothing is to be typed in: ${line}`);
  return { when, commands, seen: codeSpans(see) };
}

function codeSpans(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}
