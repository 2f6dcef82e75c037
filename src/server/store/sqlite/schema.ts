/**
 * The schema of the SQLite file, version by version.
 *
 * `jobs.id` is the job's place in its queue and is kept when the job is requeued. `events.id` is the order of
 * arrival; it only rises within an execution, because an execution's events are deleted all together, after
 * everything that reads them has ended. Payloads come last in their rows, so that filters need not read
 * through them.
 */
import type { DatabaseSync } from "node:sqlite";
import { searchableOf } from "../searchable.ts";

export interface Migration {
  sql: string;
  /** What SQL cannot compute, in the same transaction and after `sql`. */
  fill?(database: DatabaseSync): void;
  /** Tables that took another's place, whose rows have to refer to rows that are there. */
  replaced?: readonly string[];
}

const VERSION_1 = `
  CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    request_id TEXT UNIQUE,                 -- NULL: enqueued without an idempotency key
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,                 -- JobState
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    params BLOB NOT NULL                    -- JobParams
  ) STRICT;
  CREATE INDEX jobs_scheduled ON jobs (queue, id) WHERE state = 1;
  CREATE INDEX jobs_by_state ON jobs (state);

  CREATE TABLE executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL,                -- from 1 on, rises with every dequeue
    started_at_ms INTEGER NOT NULL,
    visibility_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,                  -- NULL: not running any more
    ended_at_ms INTEGER,
    outcome TEXT CHECK (outcome IN ('requeued', 'completed')),
    result BLOB,                            -- JobResult
    UNIQUE (job, number)
  ) STRICT;
  CREATE INDEX executions_running ON executions (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

  CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions (id),
    sequence INTEGER NOT NULL,
    timestamp_ms INTEGER,                   -- NULL: the event has no timestamp, or one that no clock shows
    type INTEGER NOT NULL,                  -- EventType
    payload BLOB NOT NULL,                  -- JobEvent
    UNIQUE (execution, sequence)
  ) STRICT;
  CREATE INDEX events_by_arrival ON events (execution);
`;

const VERSION_2 = `
  ALTER TABLE jobs ADD COLUMN retry_of TEXT;                -- a job_id
  ALTER TABLE jobs ADD COLUMN cancel_requested_at_ms INTEGER;
  ALTER TABLE jobs ADD COLUMN cancel_reason TEXT NOT NULL DEFAULT '';
  ALTER TABLE jobs ADD COLUMN is_adopted INTEGER NOT NULL DEFAULT 0;
  DROP INDEX jobs_by_state;
  CREATE INDEX jobs_by_creation ON jobs (created_at_ms);
  CREATE INDEX jobs_by_state ON jobs (state, created_at_ms);
  CREATE INDEX jobs_by_queue ON jobs (queue, state, created_at_ms);

  -- A table with another CHECK is another table; events refer to it by its name.
  CREATE TABLE new_executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER REFERENCES jobs (id),       -- NULL: the job was deleted, and this is going to be
    number INTEGER NOT NULL,                -- from 1 on, rises with every dequeue
    started_at_ms INTEGER NOT NULL,
    visibility_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,                  -- NULL: not running any more
    ended_at_ms INTEGER,
    outcome TEXT CHECK (outcome IN ('requeued', 'completed', 'cancelled')),
    worker TEXT NOT NULL DEFAULT '',
    last_seen_at_ms INTEGER NOT NULL,
    event_count INTEGER NOT NULL DEFAULT 0,
    event_bytes INTEGER NOT NULL DEFAULT 0, -- of the payloads
    log_id TEXT,                            -- NULL: it was not adopted
    result BLOB,                            -- JobResult
    UNIQUE (job, number)
  ) STRICT;
  INSERT INTO new_executions
    SELECT id, job, number, started_at_ms, visibility_ms, expires_at_ms, ended_at_ms, outcome, '',
      -- The last extension of one that runs set its expiry; nothing else was written down.
      coalesce(ended_at_ms, max(started_at_ms, expires_at_ms - visibility_ms), started_at_ms),
      coalesce(events, 0), coalesce(bytes, 0), NULL, result
    FROM executions LEFT JOIN
      (SELECT execution, count(*) AS events, sum(length(payload)) AS bytes FROM events GROUP BY execution)
      ON execution = executions.id
    ORDER BY id;
  DROP TABLE executions;
  ALTER TABLE new_executions RENAME TO executions;
  CREATE INDEX executions_running ON executions (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

  -- How many jobs each queue has, so that nobody counts a million of them.
  CREATE TABLE queue_counts (
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO queue_counts SELECT queue, state, count(*) FROM jobs GROUP BY queue, state;
  CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO queue_counts VALUES (new.queue, new.state, 1)
      ON CONFLICT (queue, state) DO UPDATE SET jobs = jobs + 1;
  END;
  CREATE TRIGGER jobs_moved AFTER UPDATE OF queue, state ON jobs
  WHEN old.state <> new.state OR old.queue <> new.queue BEGIN
    UPDATE queue_counts SET jobs = jobs - 1 WHERE queue = old.queue AND state = old.state;
    INSERT INTO queue_counts VALUES (new.queue, new.state, 1)
      ON CONFLICT (queue, state) DO UPDATE SET jobs = jobs + 1;
  END;
  CREATE TRIGGER jobs_deleted AFTER DELETE ON jobs BEGIN
    UPDATE queue_counts SET jobs = jobs - 1 WHERE queue = old.queue AND state = old.state;
  END;

  -- How long the payloads of each queue's events are.
  CREATE TABLE queue_sizes (queue TEXT PRIMARY KEY, event_bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO queue_sizes
    SELECT queue, sum(event_bytes) FROM executions JOIN jobs ON jobs.id = executions.job GROUP BY queue;
  CREATE TRIGGER executions_grew AFTER UPDATE OF event_bytes ON executions WHEN new.job IS NOT NULL BEGIN
    INSERT INTO queue_sizes SELECT queue, new.event_bytes - old.event_bytes FROM jobs WHERE id = new.job
      ON CONFLICT (queue) DO UPDATE SET event_bytes = event_bytes + excluded.event_bytes;
  END;
  -- While the job's row is still there to tell its queue.
  CREATE TRIGGER executions_deleted AFTER UPDATE OF job ON executions WHEN new.job IS NULL BEGIN
    UPDATE queue_sizes SET event_bytes = event_bytes - old.event_bytes
      WHERE queue = (SELECT queue FROM jobs WHERE id = old.job);
  END;

  -- What jobs are searched by: small rows, since a search for a text reads all of them.
  CREATE TABLE job_texts (
    job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    text TEXT NOT NULL                      -- id and command line
  ) STRICT;
  CREATE TABLE job_metadata (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,         -- the job's, in whose order jobs are found
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    PRIMARY KEY (name, value, created_at_ms, job)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX job_metadata_by_job ON job_metadata (job);

  CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    queue TEXT NOT NULL,
    concurrency INTEGER NOT NULL,
    connected_at_ms INTEGER NOT NULL,
    last_seen_at_ms INTEGER NOT NULL,
    is_connected INTEGER NOT NULL,
    job_ids TEXT NOT NULL                   -- JSON, an array of strings
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX workers_by_time ON workers (last_seen_at_ms);
  `;

/**
 * Each entry brings the schema one version up; PRAGMA user_version counts them. Entries are never changed
 * once released, only added.
 */
export const MIGRATIONS: readonly Migration[] = [
  { sql: VERSION_1 },
  { sql: VERSION_2, fill: fillSearchTables, replaced: ["executions"] },
];

/** What every version of the schema has: a database without them is another program's. */
export const TABLES: readonly string[] = ["settings", "jobs", "executions", "events"];

interface UnsearchableJob {
  id: number;
  job_id: string;
  created_at_ms: number;
  params: Uint8Array;
}

function fillSearchTables(database: DatabaseSync): void {
  // Few at a time, since parameters may be 2 MiB each.
  const jobs = database.prepare(
    "SELECT id, job_id, created_at_ms, params FROM jobs WHERE id > ? ORDER BY id LIMIT 100",
  );
  const addText = database.prepare("INSERT INTO job_texts VALUES (?, ?)");
  const addMetadata = database.prepare("INSERT INTO job_metadata VALUES (?, ?, ?, ?)");
  for (let last = 0;;) {
    const page = jobs.all(last) as unknown as UnsearchableJob[];
    if (page.length === 0) return;
    for (const job of page) {
      const { text, metadata } = searchableOf(job.job_id, job.params);
      addText.run(job.id, text);
      for (const [name, value] of Object.entries(metadata)) {
        addMetadata.run(name, value, job.created_at_ms, job.id);
      }
    }
    last = page.at(-1)!.id;
  }
}
