import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import type { FileSystemSpace } from "../platform/files.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { DiskBudget, type DiskBudgetOptions } from "./disk_budget.ts";

const GIB = 1024 ** 3;

function room(freeBytes: number, totalBytes: number): FileSystemSpace {
  return { type: 0, freeBytes, totalBytes, totalInodes: 0, freeInodes: 0 };
}

function setup(more: Partial<DiskBudgetOptions> = {}) {
  const lines: string[] = [];
  const clock = new ManualClock();
  const space = { freeBytes: 100 * GIB, totalBytes: 1000 * GIB };
  const budget = new DiskBudget({
    directory: "/data/wal",
    unsentBytesMax: 1000,
    freeBytesMin: GIB,
    clock,
    logger: createLogger("info", (line) => lines.push(line)),
    files: { space: () => Promise.resolve(room(space.freeBytes, space.totalBytes)) },
    ...more,
  });
  return { budget, clock, lines, space };
}

const never = new AbortController().signal;

/** Whether the promise is settled once everything that could settle it has had its turn. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  return settled;
}

Deno.test("jobs wait while too much is unsent over all logs, and go on as it is sent", async () => {
  const { budget, lines } = setup();
  const one = budget.account();
  const other = budget.account();
  one.stored(600);
  await budget.waitForRoom(never);
  other.stored(400);
  const waiting = budget.waitForRoom(never);
  assert.ok(!await isSettled(waiting));
  assert.match(lines[0], /^ERR Jobs are paused: 1000 bytes wait for the server/);
  one.sent(1);
  await waiting;
  assert.equal(budget.unsentBytes, 999);
});

Deno.test("a log that is closed no longer counts", () => {
  const { budget } = setup();
  const account = budget.account();
  account.stored(600);
  account.sent(700);
  account.stored(200);
  assert.equal(budget.unsentBytes, 100);
  account.close();
  assert.equal(budget.unsentBytes, 0);
});

Deno.test("jobs wait while the file system has too little space, which is looked at again and again", async () => {
  const { budget, clock, lines, space } = setup();
  space.freeBytes = GIB - 1;
  const waiting = budget.waitForRoom(never);
  await clock.sleeping(500);
  assert.match(lines[0], /no space left on device/);
  clock.advance(500);
  await clock.sleeping(500);
  assert.equal(lines.length, 1);
  space.freeBytes = GIB + 1;
  clock.advance(500);
  await waiting;
});

Deno.test("what is stored between two looks at the file system counts as well", async () => {
  const { budget, space, lines } = setup({ unsentBytesMax: Infinity });
  space.freeBytes = GIB + 1000;
  const account = budget.account();
  await budget.waitForRoom(never);
  space.freeBytes = GIB;
  account.stored(999);
  await budget.waitForRoom(never);
  account.stored(1);
  assert.ok(!await isSettled(budget.waitForRoom(never)));
  assert.equal(lines.length, 1);
});

Deno.test("on a small file system only a twentieth is kept free", async () => {
  const { budget, space } = setup();
  Object.assign(space, { freeBytes: 51, totalBytes: 1000 });
  await budget.waitForRoom(never);
});

Deno.test("waiting ends when the signal aborts", async () => {
  const { budget, space, clock } = setup();
  space.freeBytes = 0;
  const stop = new AbortController();
  const waiting = budget.waitForRoom(stop.signal);
  await clock.sleeping(500);
  stop.abort();
  await waiting;
});

Deno.test("other limits hold at once, also for who waits already", async () => {
  const { budget, space } = setup();
  space.freeBytes = 2 * GIB;
  budget.account().stored(1000);
  const waiting = budget.waitForRoom(never);
  assert.ok(!await isSettled(waiting));
  budget.setLimits({ unsentBytesMax: 2000, freeBytesMin: GIB });
  await waiting;
  budget.setLimits({ unsentBytesMax: 2000, freeBytesMin: 4 * GIB });
  assert.match(await budget.lack() ?? "", /no space left on device/);
});

Deno.test("space that cannot be measured stops nobody, is said once and then reminded of, and so is its end", async () => {
  const answers = { error: new Error("EIO: i/o error, statfs") as Error | undefined };
  const { budget, clock, lines } = setup({
    files: {
      space: () =>
        answers.error === undefined
          ? Promise.resolve(room(100 * GIB, 1000 * GIB))
          : Promise.reject(answers.error),
    },
  });
  for (let times = 0; times < 10; times++) {
    await budget.waitForRoom(never);
    clock.advance(1000);
  }
  assert.equal(lines.length, 1);
  assert.match(lines[0], /^ERR Cannot see how much room there is on disk.*EIO: i\/o error, statfs/);
  clock.advance(60_000);
  assert.equal(await budget.lack(), undefined);
  assert.equal(lines.length, 2);
  answers.error = undefined;
  clock.advance(1000);
  await budget.waitForRoom(never);
  assert.match(lines[2], /^INF It can be seen again/);
});

Deno.test("jobs that wait for space go on when it can no longer be seen whether there is any", async () => {
  let answer = () => Promise.resolve(room(0, GIB));
  const { budget, clock } = setup({ files: { space: () => answer() } });
  const waiting = budget.waitForRoom(never);
  await clock.sleeping(500);
  answer = () => Promise.reject(new Error("ENOENT: no such file or directory, statfs"));
  clock.advance(500);
  await waiting;
});

Deno.test("a file system that does not answer is not waited for, and a stopping worker does not wait at all", async () => {
  const { budget, clock, lines } = setup({ files: { space: () => new Promise(() => {}) } });
  const stop = new AbortController();
  const stopped = budget.waitForRoom(stop.signal);
  const waiting = budget.waitForRoom(never);
  assert.ok(!await isSettled(stopped));
  stop.abort();
  await stopped;
  assert.ok(!await isSettled(waiting));
  await clock.pass(3000);
  await waiting;
  assert.match(lines[0], /has not answered for 3 s/);
});
