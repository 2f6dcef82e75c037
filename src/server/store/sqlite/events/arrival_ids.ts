/**
 * The ids of events, which are the order of their arrival: they only rise, over all executions, also when the
 * events that came last are deleted. A copy of a database that is written to relies on it
 * (`upkeep/row_copy.ts`).
 */
import type { Sql } from "../sql.ts";

/** Where the highest id is kept, in digits, once its event is gone. */
const KEPT = "last-arrival";

/** The id of the next event; to be called in the transaction that stores it. */
export function nextArrival(sql: Sql): bigint {
  const row = sql.bigRow<{ last: bigint }>(
    `SELECT max(coalesce((SELECT max(id) FROM events), 0),
       coalesce((SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM settings WHERE name = '${KEPT}'), 0)) AS last`,
  );
  return row!.last + 1n;
}

/** To be called in the transaction that deletes an execution's events up to this id, and before it does. */
export function keepArrival(sql: Sql, deletedId: bigint | number): void {
  const { newest } = sql.bigRow<{ newest: bigint | null }>("SELECT max(id) AS newest FROM events")!;
  if (newest === null || newest > BigInt(deletedId)) return;
  sql.run(
    `INSERT INTO settings (name, value) VALUES ('${KEPT}', CAST(CAST(? AS TEXT) AS BLOB))
     ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    newest,
  );
}
