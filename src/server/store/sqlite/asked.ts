/**
 * How what SQLite does at once becomes what the contract promises: an answer later, a failure as a rejection.
 */
import type { Sql } from "./sql.ts";

type Work<Values extends unknown[], Answer> = (sql: Sql, ...values: Values) => Answer;

/** The work on this database, for callers that wait for its answer. */
export function asked<Values extends unknown[], Answer>(
  sql: Sql,
  work: Work<Values, Answer>,
): (...values: Values) => Promise<Answer> {
  return (...values) => new Promise((resolve) => resolve(work(sql, ...values)));
}
