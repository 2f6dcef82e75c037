/**
 * Walks through the table in docs/operations.md with the compiled binary: brings about each row's situation,
 * types its commands as they stand there, and looks for what the last column says. A row without a scenario
 * fails, and so does a scenario without a row.
 */
import assert from "node:assert/strict";
import { ISSUES } from "./runbook/issues.ts";
import { MONITORING } from "./runbook/monitoring.ts";
import { PROCEDURES } from "./runbook/procedures.ts";
import { RECOVERY } from "./runbook/recovery.ts";
import { readOperationsTable } from "./support/operations_table.ts";
import { Operator } from "./support/operator.ts";

const TABLE = new URL("../docs/operations.md", import.meta.url);
const SCENARIOS: Readonly<Record<string, (operator: Operator) => Promise<void>>> = {
  ...MONITORING,
  ...ISSUES,
  ...PROCEDURES,
  ...RECOVERY,
};
/** Rows with jobs that really run: how many events and acknowledgements they have differs from run to run. */
const VARYING: ReadonlySet<string> = new Set([
  "Inspect a log",
  "Inspect an archive",
  "Pending events do not go away",
  "Disaster recovery: worker lost",
]);
const rows = readOperationsTable(Deno.readTextFileSync(TABLE));

Deno.test("each row of the operations table has its scenario, and each scenario its row", () => {
  assert.deepEqual(rows.map(({ when }) => when).sort(), Object.keys(SCENARIOS).sort());
});

for (const row of rows) {
  Deno.test(`the operations table keeps its word: ${row.when}`, async () => {
    const scenario = SCENARIOS[row.when];
    assert.ok(scenario, "this row has no scenario");
    await using operator = new Operator(row);
    await scenario(operator);
    await operator.assertAllSeen();
    const screen = operator.transcript(VARYING.has(row.when));
    if (screen !== "") assertScreen(`${slug(row.when)}.txt`, screen);
  });
}

/**
 * Compares with tests/testdata/screens/runbook/NAME. `UPDATE_SCREENS=NAME,…` writes these, and only these: a
 * screen that changed is to be read before it is accepted.
 */
function assertScreen(name: string, screen: string): void {
  const path = new URL(`testdata/screens/runbook/${name}`, import.meta.url);
  if ((Deno.env.get("UPDATE_SCREENS") ?? "").split(",").includes(name)) Deno.writeTextFileSync(path, screen);
  assert.equal(screen, Deno.readTextFileSync(path));
}

function slug(when: string): string {
  return when.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "");
}
