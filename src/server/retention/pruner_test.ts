import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { addJob, type JobRows } from "../../../tests/support/database_rows.ts";
import { JobState } from "../../events/gen/job/v1/job_pb.ts";
import { silentLogger } from "../../platform/logging/logger.ts";
import { systemHost } from "../../platform/system_host.ts";
import type { Store } from "../store/contract.ts";
import { openSqliteStore } from "../store/sqlite/open_store.ts";
import { KEEP_ALL, type RetentionPolicy } from "./policy.ts";
import { Pruner } from "./pruner.ts";

const DAY_MS = 86_400_000;
const NOW = 1000 * DAY_MS;

class Place implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "airunner-prune-" });
  readonly path = `${this.directory}/server.db`;
  readonly woken: string[] = [];
  readonly counted: string[] = [];
  readonly lines: string[] = [];
  store!: Store;

  /** Jobs by the number of days since they ended. */
  static async create(jobs: readonly (JobRows & { id: string; daysAgo: number })[]): Promise<Place> {
    const place = new Place();
    const open = () => openSqliteStore(place.path, { host: systemHost, logger: silentLogger });
    await (await open()).close();
    const database = new DatabaseSync(place.path);
    database.exec("PRAGMA synchronous = OFF");
    for (const { id, daysAgo, ...rows } of jobs) {
      addJob(database, id, { ...rows, endedAtMs: NOW - daysAgo * DAY_MS });
    }
    database.close();
    place.store = await open();
    return place;
  }

  pruner(policy: Partial<RetentionPolicy>): Pruner {
    return new Pruner({
      store: this.store,
      policy: { ...KEEP_ALL, ...policy },
      clock: { nowMs: () => NOW, elapsedMs: () => 0, sleep: () => Promise.resolve() },
      logger: {
        ...silentLogger,
        info: (message) => this.lines.push(message),
        warn: (message) => this.lines.push(message),
      },
      wake: (jobId) => this.woken.push(jobId),
      onPruned: (reason) => this.counted.push(reason),
    });
  }

  async left(): Promise<string[]> {
    const filter = { queue: "", state: JobState.UNSPECIFIED, page: 1, pageSize: 1000 };
    return (await this.store.jobs.list(filter)).jobs.map(({ jobId }) => jobId).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

Deno.test("jobs beyond their age are deleted with their events, and never those that wait or run", async () => {
  await using place = await Place.create([
    { id: "old", daysAgo: 31 },
    { id: "failed", daysAgo: 32, state: JobState.FAILED },
    { id: "cancelled", daysAgo: 33, state: JobState.CANCELLED },
    { id: "young", daysAgo: 29 },
    { id: "waiting", daysAgo: 900, state: JobState.SCHEDULED },
    { id: "running", daysAgo: 900, state: JobState.RUNNING },
    { id: "kept", daysAgo: 900, queue: "release" },
  ]);
  const policy = { ageMs: 30 * DAY_MS, queueAgesMs: new Map([["release", Infinity]]) };
  const { jobs, bytes } = await place.pruner(policy).prune();
  assert.equal(jobs, 3);
  assert.ok(bytes > 3 * 3 * 100);
  assert.deepEqual(await place.left(), ["kept", "running", "waiting", "young"]);
  assert.deepEqual(place.woken, ["cancelled", "failed", "old"]);
  assert.deepEqual(place.counted, ["age", "age", "age"]);
  assert.deepEqual(place.lines, ["Old jobs deleted"]);
});

Deno.test("without a limit nothing is deleted, and nobody is told anything", async () => {
  await using place = await Place.create([{ id: "old", daysAgo: 999 }]);
  await place.pruner({}).prune();
  assert.deepEqual([await place.left(), place.lines], [["old"], []]);
});

Deno.test("beyond the size jobs are deleted until it is right, the oldest first, and the room is given back", async () => {
  const jobs = Array.from({ length: 40 }, (_, index) => ({
    id: `job-${String(index).padStart(2, "0")}`,
    daysAgo: 100 - index,
    events: 20,
    outputBytes: 30_000,
  }));
  await using place = await Place.create(jobs);
  const sizeBefore = (await place.store.upkeep.space()).usedBytes;
  assert.ok(sizeBefore > 24e6);
  const pruner = place.pruner({ bytesMax: 8e6 });
  await pruner.prune();
  const { usedBytes } = await place.store.upkeep.space();
  assert.ok(usedBytes <= 8e6 && usedBytes > 7e6, `${usedBytes} bytes are left`);
  const left = await place.left();
  assert.deepEqual(left, jobs.map(({ id }) => id).slice(-left.length));
  assert.ok(place.counted.every((reason) => reason === "bytes"));
  await pruner.reclaim();
  const { freeBytes } = await place.store.upkeep.space();
  assert.ok(freeBytes <= 4 * 1024 * 1024 + 8192, `${freeBytes} bytes are free`);
  await place.store.close();
  assert.ok(Deno.statSync(place.path).size < 13e6, `the file has ${Deno.statSync(place.path).size} bytes`);
  const database = new DatabaseSync(place.path);
  assert.equal(database.prepare("PRAGMA integrity_check").get()!.integrity_check, "ok");
  database.close();
  place.store = await openSqliteStore(place.path, { host: systemHost, logger: silentLogger });
});

Deno.test("a size that cannot be reached is said once, and what may not go stays", async () => {
  await using place = await Place.create([
    { id: "running", daysAgo: 1, state: JobState.RUNNING, events: 50, outputBytes: 30_000 },
  ]);
  const pruner = place.pruner({ bytesMax: 1e6 });
  await pruner.prune();
  await pruner.prune();
  assert.deepEqual(await place.left(), ["running"]);
  assert.deepEqual(place.lines, [
    "The database is larger than its limit, and no job is left that may be deleted",
  ]);
});

Deno.test("a database that fails is told, and tried again", async () => {
  await using place = await Place.create([{ id: "old", daysAgo: 31 }]);
  let failures = 0;
  const space = place.store.upkeep.space;
  place.store = {
    ...place.store,
    upkeep: {
      ...place.store.upkeep,
      space: () => failures++ === 0 ? Promise.reject(new Error("the disk is full")) : space(),
    },
  };
  const errors: string[] = [];
  const over = Promise.withResolvers<void>();
  const pruner = new Pruner({
    store: place.store,
    policy: { ...KEEP_ALL, ageMs: DAY_MS },
    clock: {
      nowMs: () => NOW,
      elapsedMs: () => 0,
      // The second look finds nothing more; then it is over.
      sleep: (ms) => Promise.resolve(void (ms >= 60_000 && failures > 2 && over.resolve())),
    },
    logger: { ...silentLogger, error: (message, fields) => errors.push(`${message}: ${fields?.error}`) },
    wake: () => {},
  });
  pruner.start();
  await over.promise;
  await pruner.stop();
  assert.deepEqual(errors, ["Cannot delete old jobs; trying again in a minute: the disk is full"]);
  assert.deepEqual(await place.left(), []);
});
