import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { addEvents, addJob, allRows, schemaOf } from "../../../../../tests/support/database_rows.ts";
import { Database } from "../database.ts";
import { readOnlyUri } from "./read_only.ts";
import { RowCopy } from "./row_copy.ts";

Deno.test("a copy has what came after its last slice, and counts nothing twice", () => {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-copy-" });
  try {
    const path = `${directory}/server.db`;
    new Database(path).close();
    const source = new DatabaseSync(path);
    source.exec("PRAGMA synchronous = OFF");
    const { executions: [first] } = addJob(source, "one", { events: 700 });
    const target = new DatabaseSync(`${directory}/copy.db`);
    target.exec(`PRAGMA foreign_keys = OFF; ATTACH '${readOnlyUri(path, false)}' AS source`);
    const copy = new RowCopy(target);
    assert.deepEqual([...copy.slices()].map(({ events }) => events), [512, 700]);
    // The server goes on until the transaction at the end begins.
    addEvents(source, first!, { events: [701, 702] });
    addJob(source, "two", { events: 600, queue: "other" });
    copy.finish();
    assert.deepEqual(schemaOf(target), schemaOf(source));
    assert.deepEqual(allRows(target), allRows(source));
    target.close();
    source.close();
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
