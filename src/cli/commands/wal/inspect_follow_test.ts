import "../../../../tests/support/loaded_zstd.ts";
import assert from "node:assert/strict";
import { FileLock } from "../../../platform/file_lock.ts";
import { type FollowOptions, followRecords } from "./inspect_follow.ts";
import { createMemoryContext } from "../../../../tests/support/memory_context.ts";
import { parseFilter } from "../../options/record_filter.ts";
import { plainStyle } from "../../../platform/text.ts";
import { LogBuilder, TestData } from "../../../../tests/support/data_directory.ts";

const LOG = "wal/job.wal";

/** Follows a log that is owned; each wait is a turn of the worker. */
async function follow(
  data: TestData,
  turns: ((lock: FileLock) => void | Promise<void>)[],
  options: Partial<FollowOptions> = {},
) {
  const memory = createMemoryContext([]);
  const lock = FileLock.acquire(data.path(LOG), { create: false });
  let turn = 0;
  const sleep = async () => {
    if (turn > 100) throw new Error("It does not end");
    await turns[turn++]?.(lock);
  };
  let error: unknown;
  try {
    await followRecords({ ...memory.context, clock: { ...memory.context.clock, sleep } }, {
      path: data.path(LOG),
      archiveDir: data.path("archive"),
      filter: undefined,
      json: false,
      payload: false,
      style: plainStyle,
      ...options,
    });
  } catch (caught) {
    error = caught;
  } finally {
    lock.release();
  }
  const hide = (text: string) => text.replaceAll(data.directory, "/data");
  const stdout = hide(new TextDecoder().decode(memory.stdout()));
  // What happened in the order in which it was shown.
  const rows = stdout.split("\n").slice(1).flatMap((line) =>
    /(PROCESS_\w+|OUTPUT_BATCH|the server has.*|sequence \d+ failed.*)$/.exec(line)?.[1] ?? []
  );
  return { stdout, rows, stderr: hide(memory.stderr()), error };
}

/** Replaces what the log holds by what a writer has appended to it by then: its inode stays. */
function grow(data: TestData, bytes: Uint8Array): void {
  Deno.writeFileSync(data.path(LOG), bytes);
}

Deno.test("events are shown as they come, with what became of them, until the log is archived", async () => {
  const log = new LogBuilder("job").start();
  using data = new TestData({ [LOG]: log.bytes() });
  const { rows, stderr } = await follow(data, [
    () => grow(data, log.output("one\n").torn()),
    () => grow(data, log.bytes()),
    () => grow(data, log.fail(2n, "too large").end().acknowledge().bytes()),
    async (lock) => {
      lock.release();
      await data.archive(LOG);
    },
  ]);
  assert.deepEqual(rows, [
    "PROCESS_START",
    "OUTPUT_BATCH",
    "sequence 2 failed: invalid_argument: too large",
    "PROCESS_END",
    "the server has everything up to sequence 3",
  ]);
  assert.equal(
    stderr,
    "The log was archived, 1 event not sent: /data/archive/job.wal.zst\n" +
      "Next: airunner wal inspect /data/archive/job.wal.zst\n",
  );
});

Deno.test("a log that nobody writes any more ends it, after a worker had time to take it up", async () => {
  const log = new LogBuilder("job").start();
  using data = new TestData({ [LOG]: log.bytes() });
  let taken: FileLock | undefined;
  const { rows, stderr } = await follow(data, [
    (lock) => lock.release(),
    () => void (taken = FileLock.acquire(data.path(LOG), { create: false })),
    () => grow(data, log.output("one\n").acknowledge().bytes()),
    () => taken?.release(),
  ]);
  assert.deepEqual(rows.slice(0, 2), ["PROCESS_START", "OUTPUT_BATCH"]);
  assert.equal(
    stderr,
    "No process is writing to /data/wal/job.wal; the server has everything. What is in it was shown.\n",
  );
});

Deno.test("a torn tail that a new worker cuts and writes over is read as what it is then", async () => {
  using data = new TestData({ [LOG]: new LogBuilder("job").start().output("lost".repeat(99)).torn() });
  const after = new LogBuilder("job").start().output("kept\n").end();
  const { rows } = await follow(data, [() => grow(data, after.bytes()), (lock) => lock.release()]);
  assert.deepEqual(rows, ["PROCESS_START", "OUTPUT_BATCH", "PROCESS_END"]);
});

Deno.test("JSON is one line for each event, and filters and limit hold", async () => {
  const log = new LogBuilder("job").start();
  using data = new TestData({ [LOG]: log.bytes() });
  const filter = parseFilter({ type: "OUTPUT_BATCH", limit: "2" }, 0);
  const { stdout, stderr } = await follow(
    data,
    [() => grow(data, log.output("a\n").acknowledge().output("b\n").output("c\n").bytes())],
    { json: true, filter },
  );
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ sequence, schema_version }) => [sequence, schema_version]), [[2, 1], [3, 1]]);
  assert.equal(stderr, "");
});

Deno.test("damage that stays is an error that names the next command", async () => {
  const log = new LogBuilder("job").start().output("a\n");
  using data = new TestData({ [LOG]: log.bytes() });
  const { error, rows } = await follow(data, [() => grow(data, log.output("b\n").end().flipped(3))]);
  assert.deepEqual(rows, ["PROCESS_START", "OUTPUT_BATCH"]);
  assert.match((error as Error).message, /is damaged: crc_mismatch at offset \d+/);
});

Deno.test("a log that was set aside or taken away ends it as well", async () => {
  using data = new TestData({ [LOG]: new LogBuilder("job").start().bytes() });
  const aside = await follow(data, [() => Deno.renameSync(data.path(LOG), `${data.path(LOG)}.corrupt`)]);
  assert.match((aside.error as Error).message, /set aside as damaged/);
  // The name that an earlier log has is not the place of this one.
  using second = new TestData({ [LOG]: new LogBuilder("job").start().bytes() });
  Deno.writeTextFileSync(`${second.path(LOG)}.corrupt`, "an earlier one");
  const again = await follow(
    second,
    [() => Deno.renameSync(second.path(LOG), `${second.path(LOG)}.corrupt-2`)],
  );
  assert.match((again.error as Error).message, /set aside as damaged: \S+job\.wal\.corrupt-2\. /);
  assert.match(
    String((again.error as { next?: string }).next),
    /wal recover --dry-run \S+job\.wal\.corrupt-2$/,
  );
  using other = new TestData({ [LOG]: new LogBuilder("job").start().bytes() });
  const gone = await follow(other, [() => Deno.removeSync(other.path(LOG))]);
  assert.match(gone.stderr, /The log is not at \/data\/wal\/job\.wal any more; 1 event not sent\./);
});
