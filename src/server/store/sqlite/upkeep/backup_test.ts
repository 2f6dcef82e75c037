import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { JobState } from "../../../../events/gen/job/v1/job_pb.ts";
import { hiddenName } from "../../../../platform/publish_file.ts";
import { systemHost } from "../../../../platform/system_host.ts";
import { StoreError } from "../../store_error.ts";
import { addEvents, addJob, allRows, schemaOf } from "../../../../../tests/support/database_rows.ts";
import { Database } from "../database.ts";
import { backUp, type CopyOptions } from "./backup.ts";

const PLAIN: CopyOptions = { host: systemHost, rateBytes: Infinity };

class Place implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-backup-" });
  readonly source = `${this.directory}/server.db`;
  readonly target = `${this.directory}/backup.db`;
  /** As a server has it open: it writes while the copy is made. */
  readonly writer: DatabaseSync;

  constructor() {
    new Database(this.source).close();
    this.writer = new DatabaseSync(this.source);
    this.writer.exec("PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
  }

  names(): string[] {
    return [...Deno.readDirSync(this.directory)].map(({ name }) => name).filter((name) =>
      !name.startsWith("server.db")
    );
  }

  [Symbol.dispose](): void {
    this.writer.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function compare(place: Place): void {
  const copy = new DatabaseSync(place.target, { readOnly: true });
  assert.deepEqual(schemaOf(copy), schemaOf(place.writer));
  assert.deepEqual(allRows(copy), allRows(place.writer));
  const pragma = (database: DatabaseSync, name: string) =>
    Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0];
  assert.equal(pragma(copy, "user_version"), pragma(place.writer, "user_version"));
  assert.equal(pragma(copy, "auto_vacuum"), 2);
  copy.close();
}

Deno.test("a backup has every row, index, trigger and number of its source, and is for its owner alone", async () => {
  using place = new Place();
  for (let job = 1; job <= 20; job++) {
    addJob(place.writer, `job-${job}`, { queue: `queue-${job % 3}`, events: 50, executions: 2 });
  }
  place.writer.exec("INSERT INTO settings VALUES ('task-token', x'0102')");
  const { verification } = await backUp(place.source, place.target, PLAIN);
  compare(place);
  assert.deepEqual([verification.jobs, verification.executions, verification.events], [20, 40, 2000]);
  assert.equal(Deno.statSync(place.target).mode! & 0o777, 0o600);
  assert.deepEqual(place.names(), ["backup.db"]);
});

Deno.test("a backup of a database that is written to meanwhile is the database as it was at one moment, its end", async () => {
  using place = new Place();
  const { executions: [first] } = addJob(place.writer, "old", { events: 150, outputBytes: 60_000 });
  const gone = addJob(place.writer, "gone", { events: 40, outputBytes: 60_000 });
  const steps: Record<number, () => void> = {
    // An event of an execution whose others were copied before.
    1: () => addEvents(place.writer, first!, { events: [151], outputBytes: 60_000 }),
    2: () => addJob(place.writer, "new", { events: 10, outputBytes: 100_000 }),
    // Some of its events were copied by now, and others not.
    9: () => {
      place.writer.exec(
        `UPDATE executions SET job = NULL WHERE job = ${gone.job}; DELETE FROM jobs WHERE id = ${gone.job};
        DELETE FROM events WHERE execution = ${gone.executions[0]}; DELETE FROM executions WHERE id = ${
          gone.executions[0]
        }`,
      );
    },
    10: () => place.writer.exec(`UPDATE jobs SET state = ${JobState.FAILED} WHERE job_id = 'old'`),
  };
  let step = 0;
  await backUp(place.source, place.target, {
    ...PLAIN,
    onProgress(what) {
      if (what === "copying") steps[++step]?.();
      return Promise.resolve();
    },
  });
  assert.ok(step >= 10, `only ${step} slices`);
  compare(place);
});

Deno.test("the journal does not grow with the length of a backup", async () => {
  using place = new Place();
  place.writer.exec("PRAGMA wal_autocheckpoint = 64");
  addJob(place.writer, "big", { events: 200, outputBytes: 60_000 });
  let added = 0;
  let most = 0;
  await backUp(place.source, place.target, {
    ...PLAIN,
    onProgress(what) {
      if (what === "copying" && added < 40) {
        addJob(place.writer, `while-${added++}`, { events: 10, outputBytes: 60_000 });
      }
      most = Math.max(most, Deno.statSync(`${place.source}-wal`).size);
      return Promise.resolve();
    },
  });
  assert.equal(added, 40);
  // 24 MB were written meanwhile.
  assert.ok(most < 16_000_000, `the journal had ${most} bytes`);
  compare(place);
});

Deno.test("a backup goes no faster than its rate", async () => {
  using place = new Place();
  addJob(place.writer, "big", { events: 64, outputBytes: 65_000 });
  let elapsedMs = 0;
  const clock = {
    nowMs: () => elapsedMs,
    elapsedMs: () => elapsedMs,
    sleep: (ms: number) => Promise.resolve(void (elapsedMs += ms)),
  };
  await backUp(place.source, place.target, { host: { ...systemHost, clock }, rateBytes: 1_000_000 });
  assert.ok(elapsedMs >= 4_100 && elapsedMs < 4_300, `${elapsedMs} ms for 4.2 MB`);
});

Deno.test("a backup never replaces a file, and what killed ones left of it is taken away", async () => {
  using place = new Place();
  addJob(place.writer, "one");
  const stale = `${place.directory}/${hiddenName("backup.db", systemHost.files)}`;
  const others = `${place.directory}/${hiddenName("other.db", systemHost.files)}`;
  Deno.writeTextFileSync(stale, "half of a backup");
  Deno.writeTextFileSync(others, "half of another");
  await backUp(place.source, place.target, PLAIN);
  assert.deepEqual(place.names().sort(), [others.slice(place.directory.length + 1), "backup.db"].sort());
  const before = Deno.readFileSync(place.target);
  await assert.rejects(backUp(place.source, place.target, PLAIN), (error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /there is such a file, and it was not changed/);
    return true;
  });
  assert.deepEqual(Deno.readFileSync(place.target), before);
});

Deno.test("a backup that is interrupted leaves nothing", async () => {
  using place = new Place();
  addJob(place.writer, "big", { events: 100, outputBytes: 60_000 });
  const controller = new AbortController();
  await assert.rejects(backUp(place.source, place.target, {
    ...PLAIN,
    signal: controller.signal,
    onProgress: () => Promise.resolve(controller.abort()),
  }));
  assert.deepEqual(place.names(), []);
});

Deno.test("a backup whose source has an event that does not decode is refused, and names it", async () => {
  using place = new Place();
  addJob(place.writer, "bad");
  place.writer.exec("UPDATE events SET payload = x'FFFFFF' WHERE sequence = 2");
  await assert.rejects(
    backUp(place.source, place.target, PLAIN),
    /job bad, execution 1, event 2: its bytes are no event/,
  );
  assert.deepEqual(place.names(), []);
});

Deno.test("a backup of what is no database of ours is refused", async () => {
  using place = new Place();
  Deno.writeTextFileSync(`${place.directory}/notes.txt`, "These are my notes. ".repeat(50));
  await assert.rejects(
    backUp(`${place.directory}/notes.txt`, place.target, PLAIN),
    /it is not a database of this program/,
  );
  await assert.rejects(backUp(`${place.directory}/none.db`, place.target, PLAIN), /there is no database/);
});
