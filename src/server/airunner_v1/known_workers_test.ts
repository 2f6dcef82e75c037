import assert from "node:assert/strict";
import { createLogger } from "../../platform/logging/text_logger.ts";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { LocalSignals } from "../signals.ts";
import type { StoredWorker, WorkerStore } from "../store/contract.ts";
import { KnownWorkers } from "./known_workers.ts";
import { Watches } from "./watches.ts";

/** Keeps what it is given, and every write in the order it came. */
class FakeWorkers implements WorkerStore {
  readonly stored = new Map<string, StoredWorker>();
  readonly writes: string[] = [];
  fails = false;

  async seen(worker: Omit<StoredWorker, "lastSeenAtMs">, nowMs: number): Promise<void> {
    await Promise.resolve();
    if (this.fails) throw new Error("the disk is full");
    this.writes.push(`${worker.id} ${worker.isConnected}`);
    this.stored.set(worker.id, { ...worker, lastSeenAtMs: nowMs });
  }

  workers(sinceMs: number): Promise<StoredWorker[]> {
    return Promise.resolve([...this.stored.values()].filter(({ lastSeenAtMs }) => lastSeenAtMs >= sinceMs));
  }
}

function setUp() {
  const clock = new ManualClock();
  const workers = new FakeWorkers();
  const watches = new Watches(new LocalSignals().cancellations);
  const lines: string[] = [];
  const logger = createLogger("debug", (line) => lines.push(line));
  const known = new KnownWorkers({ workers, watches, clock, logger });
  const open = (id: string, name = id, ...jobs: string[]) =>
    watches.open({
      worker: { id, name, version: "1", queue: "q", concurrency: 2 },
      subjects: jobs.map((jobId) => ({ jobId, execution: 1 })),
    }, clock.nowMs());
  return { clock, workers, watches, lines, known, open };
}

Deno.test("a worker is listed with what it runs, and without it when it is gone", async () => {
  const { known, open, watches } = setUp();
  const watch = open("w", "host", "j1", "j2");
  known.present(watch);
  const [listed] = await known.list();
  assert.deepEqual([listed.worker!.name, listed.isConnected, listed.jobIds], ["host", true, ["j1", "j2"]]);
  watches.close(watch);
  known.gone(watch);
  await known.settled();
  const [gone] = await known.list();
  assert.deepEqual([gone.worker!.name, gone.isConnected, gone.jobIds], ["host", false, []]);
});

Deno.test("a worker that an earlier server left as connected is not, until it comes back", async () => {
  const { known, workers, clock, open } = setUp();
  const nowMs = clock.nowMs();
  const worker = { id: "w", name: "w", version: "1", queue: "q", concurrency: 1, jobIds: ["j"] };
  await workers.seen({ ...worker, connectedAtMs: nowMs, isConnected: true }, nowMs);
  assert.deepEqual((await known.list()).map(({ isConnected }) => isConnected), [false]);
  open("w");
  assert.deepEqual((await known.list()).map(({ isConnected }) => isConnected), [true]);
});

Deno.test("a worker is written down when it comes, each minute and when it goes, in that order", async () => {
  const { known, workers, clock, open } = setUp();
  const watch = open("w");
  for (let beat = 0; beat < 9; beat++) {
    known.present(watch);
    clock.advance(15_000);
  }
  known.gone(watch);
  await known.settled();
  assert.deepEqual(workers.writes, ["w true", "w true", "w true", "w false"]);
});

Deno.test("a worker that was gone for more than a day is not listed, nor are more than a thousand that are gone", async () => {
  const { known, workers, clock, open } = setUp();
  const worker = {
    version: "1",
    queue: "q",
    concurrency: 1,
    jobIds: [],
    isConnected: false,
    connectedAtMs: 0,
  };
  const nowMs = clock.nowMs();
  await workers.seen({ ...worker, id: "old", name: "old" }, nowMs - 24 * 3_600_000 - 1);
  for (let number = 0; number < 1_001; number++) {
    await workers.seen({ ...worker, id: `w${number}`, name: "gone" }, nowMs - number);
  }
  open("here", "a");
  const listed = await known.list();
  assert.equal(listed.length, 1_001);
  assert.equal(listed[0].worker!.id, "here");
  assert.equal(listed.some((one) => ["old", "w1000"].includes(one.worker!.id!)), false);
});

Deno.test("of a worker that says it runs more jobs than one does, not all are listed", async () => {
  const { known, open } = setUp();
  open("w", "host", ...Array.from({ length: 300 }, (_, number) => `j${number}`));
  const [{ jobIds }] = await known.list();
  assert.deepEqual([jobIds!.length, jobIds![0], jobIds![255]], [256, "j0", "j255"]);
});

Deno.test("a worker that cannot be written down is told in the log, and listed all the same", async () => {
  const { known, workers, lines, open } = setUp();
  workers.fails = true;
  known.present(open("w", "host"));
  await known.settled();
  assert.match(
    lines.join("\n"),
    /Cannot write down that a worker was seen worker=host error="the disk is full"/,
  );
  assert.equal((await known.list()).length, 1);
});
