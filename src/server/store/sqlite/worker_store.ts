/**
 * Workers in SQLite.
 */
import type { StoredWorker, WorkerStore } from "../contract.ts";
import { asked } from "./asked.ts";
import type { Sql } from "./sql.ts";

/** For whom the contract lets be forgotten. */
const FORGOTTEN_AFTER_MS = 30 * 24 * 3_600_000;

export function createWorkerStore(sql: Sql): WorkerStore {
  return { seen: asked(sql, seen), workers: asked(sql, workers) };
}

function seen(sql: Sql, worker: Omit<StoredWorker, "lastSeenAtMs">, nowMs: number): void {
  sql.write(() => {
    sql.run("DELETE FROM workers WHERE last_seen_at_ms < ?", nowMs - FORGOTTEN_AFTER_MS);
    sql.run(
      `INSERT OR REPLACE INTO workers
         (id, name, version, queue, concurrency, connected_at_ms, last_seen_at_ms, is_connected, job_ids)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      worker.id,
      worker.name,
      worker.version,
      worker.queue,
      worker.concurrency,
      worker.connectedAtMs,
      nowMs,
      worker.isConnected ? 1 : 0,
      JSON.stringify(worker.jobIds),
    );
  });
}

interface WorkerRow {
  id: string;
  name: string;
  version: string;
  queue: string;
  concurrency: number;
  connected_at_ms: number;
  last_seen_at_ms: number;
  is_connected: number;
  job_ids: string;
}

function workers(sql: Sql, sinceMs: number): StoredWorker[] {
  const text = "SELECT * FROM workers WHERE last_seen_at_ms >= ? ORDER BY name, id";
  return sql.read(() => sql.rows<WorkerRow>(text, sinceMs)).map((row) => ({
    id: row.id,
    name: row.name,
    version: row.version,
    queue: row.queue,
    concurrency: row.concurrency,
    connectedAtMs: row.connected_at_ms,
    lastSeenAtMs: row.last_seen_at_ms,
    isConnected: row.is_connected !== 0,
    jobIds: JSON.parse(row.job_ids),
  }));
}
