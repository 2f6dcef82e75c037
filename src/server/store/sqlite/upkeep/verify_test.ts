import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import { systemHost } from "../../../../platform/system_host.ts";
import { addJob } from "../../../../../tests/support/database_rows.ts";
import { Database } from "../database.ts";
import { verifyFile } from "./verify_file.ts";
import type { Verification } from "./verify.ts";

/** What is found in a database of three jobs after `change`. */
async function verifyAfter(
  change: string | ((database: DatabaseSync, path: string) => void),
): Promise<Verification> {
  const directory = Deno.makeTempDirSync({ prefix: "airunner-verify-" });
  try {
    const path = `${directory}/server.db`;
    new Database(path).close();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF");
    for (const job of ["one", "two", "three"]) addJob(database, job, { events: 4, executions: 2 });
    if (typeof change === "string") database.exec(change);
    else change(database, path);
    const found = await verifyFile(path, { host: systemHost });
    database.close();
    return found;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const problemsOf = ({ problems }: Verification) => problems.map(({ kind, text }) => `${kind}: ${text}`);

Deno.test("a database as the server leaves it is whole, and everything in it is counted", async () => {
  const found = await verifyAfter("");
  assert.deepEqual(problemsOf(found), []);
  assert.deepEqual([found.jobs, found.executions, found.events, found.gapCount], [3, 6, 24, 0]);
  assert.ok(found.eventBytes > 24 * 100);
});

for (
  const [what, change, expected] of [
    [
      "an event that does not decode",
      "UPDATE events SET payload = x'FFFFFF' WHERE execution = 1 AND sequence = 2",
      [
        "events: job one, execution 1, event 2: its bytes are no event",
        /^counters: job one, execution 1 has 4 events of \d+ bytes, and its counters say 4 of \d+$/,
      ],
    ],
    [
      "an event under another's sequence",
      "UPDATE events SET sequence = 7 WHERE execution = 1 AND sequence = 4",
      [
        "events: job one, execution 1, event 7: its bytes are those of event 4",
      ],
    ],
    [
      "an event of another type than its row says",
      "UPDATE events SET type = 2 WHERE execution = 4 AND sequence = 1",
      [
        "events: job two, execution 2, event 1: its type is 7, and its row says 2",
      ],
    ],
    ["an event that is gone", "DELETE FROM events WHERE execution = 3 AND sequence = 4", [
      /^counters: job two, execution 1 has 3 events of \d+ bytes, and its counters say 4 of \d+$/,
    ]],
    ["an execution that is gone", "DELETE FROM executions WHERE id = 6", [
      ...Array(4).fill(/^references: row \d+ of events belongs to a row of executions that is not there$/),
      /^counters: the size of queue "default" differs/,
    ]],
    ["jobs that are counted wrong", "UPDATE queue_counts SET jobs = jobs + 1", [
      'counters: the number of jobs in queue "default" differs from its counters',
    ]],
  ] as [string, string, (string | RegExp)[]][]
) {
  Deno.test(`${what} is a problem`, async () => {
    const problems = problemsOf(await verifyAfter(change));
    for (const one of expected) {
      const at = problems.findIndex((problem) =>
        typeof one === "string" ? problem === one : one.test(problem)
      );
      assert.ok(at >= 0, `${one} is not among ${JSON.stringify(problems)}`);
      problems.splice(at, 1);
    }
    // What the size of the queue is counted from was changed without the counter.
    assert.deepEqual(problems.filter((problem) => !problem.startsWith("counters: the size of queue")), []);
  });
}

Deno.test("pages that SQLite itself finds wrong are a problem, and nothing else is read", async () => {
  const found = await verifyAfter((database, path) => {
    const { rootpage } = database.prepare(
      "SELECT rootpage FROM sqlite_schema WHERE name = 'events_by_arrival'",
    ).get()!;
    const { page_size: pageSize } = database.prepare("PRAGMA page_size").get()!;
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    using file = Deno.openSync(path, { write: true });
    file.seekSync((Number(rootpage) - 1) * Number(pageSize) + Number(pageSize) - 20, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(20).fill(0x55));
  });
  assert.ok(found.problemCount > 0);
  assert.deepEqual([...new Set(found.problems.map(({ kind }) => kind))], ["pages"]);
  assert.equal(found.events, 0);
});

Deno.test("what a completed execution lacks is a gap, and no problem", async () => {
  const found = await verifyAfter((database) => {
    addJob(database, "gaps", { events: [2, 3, 7] });
    const running = addJob(database, "running", { events: [5], state: JobState.RUNNING });
    database.exec(`UPDATE executions SET outcome = NULL, ended_at_ms = NULL WHERE job = ${running.job}`);
  });
  assert.deepEqual(problemsOf(found), []);
  assert.deepEqual(found.gaps, [
    { jobId: "gaps", execution: 1, first: 1n, last: 1n },
    { jobId: "gaps", execution: 1, first: 4n, last: 6n },
  ]);
  assert.equal(found.gapCount, 2);
});

Deno.test("many problems are counted, and the first hundred told", async () => {
  const found = await verifyAfter((database) => {
    addJob(database, "many", { events: 150 });
    database.exec("UPDATE events SET type = 2 WHERE execution = 7");
  });
  assert.deepEqual([found.problemCount, found.problems.length], [150, 100]);
});

Deno.test("what is left of a job that is being deleted is no problem", async () => {
  const found = await verifyAfter((database) =>
    database.exec(`UPDATE executions SET job = NULL WHERE job = 1; DELETE FROM job_texts WHERE job = 1;
      DELETE FROM jobs WHERE id = 1; DELETE FROM events WHERE execution = 1 AND sequence < 3`)
  );
  assert.deepEqual(problemsOf(found), []);
  assert.deepEqual([found.jobs, found.executions], [2, 4]);
});
