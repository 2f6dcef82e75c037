/**
 * Lists of jobs by page number, as job.v1 has them.
 */
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import type { ListFilter, StoredJob } from "../../contract.ts";
import type { Sql } from "../sql.ts";
import { keysInRange, LAST_KEY, type Query } from "./keys.ts";
import { type JobRow, toJob } from "./rows.ts";

export function list(sql: Sql, filter: ListFilter): { jobs: StoredJob[]; lastPage: number } {
  const { queue, state, pageSize } = filter;
  const { text, values } = pageKeys(filter);
  return sql.read(() => {
    const { total } = sql.row<{ total: number }>(
      "SELECT coalesce(sum(jobs), 0) AS total FROM queue_counts WHERE (? = '' OR queue = ?) AND (? = 0 OR state = ?)",
      queue,
      queue,
      state,
      state,
    )!;
    const rows = sql.rows<JobRow>(
      `SELECT jobs.* FROM (${text}) AS page JOIN jobs ON jobs.id = page.id`,
      ...values,
    );
    return { jobs: rows.map(toJob), lastPage: Math.max(1, Math.ceil(total / pageSize)) };
  });
}

export function listedBytes(sql: Sql, filter: ListFilter): number {
  const { text, values } = pageKeys(filter);
  const sum =
    `SELECT coalesce(sum(length(params)), 0) AS bytes FROM (${text}) AS page JOIN jobs ON jobs.id = page.id`;
  return sql.read(() => sql.row<{ bytes: number }>(sum, ...values)!.bytes);
}

function pageKeys({ queue, state, page, pageSize }: ListFilter): Query {
  const states = state === JobState.UNSPECIFIED ? [] : [state];
  const { text, values } = keysInRange({ queue, states, fromMs: 0, before: LAST_KEY });
  return { text: `${text} LIMIT ? OFFSET ?`, values: [...values, pageSize, (page - 1) * pageSize] };
}
