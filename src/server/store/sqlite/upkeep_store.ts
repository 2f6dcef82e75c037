/**
 * Which jobs are the oldest, how large the file is, and how it becomes smaller.
 */
import type { OldestEnded, StoreSpace, UpkeepStore } from "../contract.ts";
import { asked } from "./asked.ts";
import type { Sql } from "./sql.ts";

export function createUpkeepStore(sql: Sql): UpkeepStore {
  return {
    oldestEnded: asked(sql, oldestEnded),
    space: asked(sql, space),
    reclaim: asked(sql, reclaim),
  };
}

/** States of JobState that are an end are those from 3 on; the index `jobs_by_end` has the same condition. */
const ENDED = "state >= 3";

function oldestEnded(sql: Sql): OldestEnded[] {
  return sql.read(() => {
    const queues = sql.rows<{ queue: string }>(
      `SELECT queue FROM queue_counts WHERE ${ENDED} AND jobs > 0 GROUP BY queue`,
    );
    // One look into the index a queue; grouping would walk all of it.
    return queues.map(({ queue }) =>
      sql.row<OldestEnded>(
        `SELECT queue, job_id AS jobId, updated_at_ms AS endedAtMs FROM jobs INDEXED BY jobs_by_end
         WHERE queue = ? AND ${ENDED} ORDER BY updated_at_ms LIMIT 1`,
        queue,
      )!
    );
  });
}

function space(sql: Sql): StoreSpace {
  return sql.read(() => {
    const { pages, free, page_size: pageBytes } = sql.row<{ pages: number; free: number; page_size: number }>(
      `SELECT page_count AS pages, freelist_count AS free, page_size
       FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
    )!;
    return { usedBytes: (pages - free) * pageBytes, freeBytes: free * pageBytes };
  });
}

function reclaim(sql: Sql, bytesMax: number): boolean {
  // A power cut may bring the pages back, to be given back again.
  return sql.writeUnsynced(() => {
    const before = sql.row<{ free: number; page_size: number }>(
      "SELECT freelist_count AS free, page_size FROM pragma_freelist_count, pragma_page_size",
    )!;
    const pages = Math.max(1, Math.floor(bytesMax / before.page_size));
    // Each row is a page that was moved; all have to be read for all to be moved.
    sql.rows(`PRAGMA incremental_vacuum(${pages})`);
    const after = sql.row<{ free: number }>("SELECT freelist_count AS free FROM pragma_freelist_count")!;
    return after.free < before.free;
  });
}
