/**
 * Walks through README's *Operations* table with the compiled binary: brings about each row's situation, types its commands as they
 * stand there, and looks for what the last column says. A row without a scenario fails, and so does a scenario without a row.
 */
import assert from "node:assert/strict";
import { ISSUES } from "./runbook/issues.ts";
import { MONITORING } from "./runbook/monitoring.ts";
import { PROCEDURES } from "./runbook/procedures.ts";
import { RECOVERY } from "./runbook/recovery.ts";
import { readOperationsTable } from "./support/operations_table.ts";
import { Operator } from "./support/operator.ts";

const README = new URL("../README.md", import.meta.url);
const SCENARIOS: Readonly<Record<string, (operator: Operator) => Promise<void>>> = {
  ...MONITORING,
  ...ISSUES,
  ...PROCEDURES,
  ...RECOVERY,
};
const rows = readOperationsTable(Deno.readTextFileSync(README));

Deno.test("each row of README's Operations table has its scenario, and each scenario its row", () => {
  assert.deepEqual(rows.map(({ when }) => when).sort(), Object.keys(SCENARIOS).sort());
});

for (const row of rows) {
  Deno.test(`README's Operations table keeps its word: ${row.when}`, async () => {
    const scenario = SCENARIOS[row.when];
    assert.ok(scenario, "this row has no scenario");
    await using operator = new Operator(row);
    await scenario(operator);
    await operator.assertAllSeen();
  });
}
