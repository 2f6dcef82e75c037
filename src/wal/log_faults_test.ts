import assert from "node:assert/strict";
import { inputOutputError, noSpaceError } from "../../tests/support/disk_errors.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { type Faults, type MemoryFiles } from "../../tests/support/memory_files.ts";
import {
  ALL,
  createLog,
  errorOf,
  event,
  eventsIn,
  newDisk,
  openLog,
  PATH,
  sequences,
} from "../../tests/support/wal_fixture.ts";
import { Ledger } from "./ledger.ts";
import { LogReadError, LogSealedError, LogWriteError } from "./log.ts";
import { Scanner } from "./scanner.ts";

/** A promise for a test to settle. */
const gate = () => Promise.withResolvers<void>();

Deno.test("append resolves only after its own sync, and what waits meanwhile shares the next one", async () => {
  const files = newDisk();
  const log = await createLog(files);
  const held = gate();
  const syncing = gate();
  files.faults.sync = () => {
    syncing.resolve();
    return held.promise;
  };
  let answered = 0;
  const first = log.append(event(1)).then(() => answered++);
  await syncing.promise;
  const others = [2, 3, 4].map((sequence) => log.append(event(sequence)).then(() => answered++));
  assert.deepEqual(eventsIn(files.content(PATH)), [1], "one is written, the others wait");
  assert.equal(answered, 0);
  assert.deepEqual(await log.pending(ALL), [], "what is not durable is not given out");
  files.calls.length = 0;
  held.resolve();
  await Promise.all([first, ...others]);
  assert.deepEqual(files.calls, [`sync ${PATH}`, `write ${PATH}`, `sync ${PATH}`]);
  assert.deepEqual(sequences(await log.pending(ALL)), [1, 2, 3, 4]);
  await log.close();
});

Deno.test("log has a name only when header and execution record are stable", async () => {
  const files = newDisk();
  const log = await createLog(files);
  const named = files.calls.indexOf(`link ${PATH}`);
  const temporary = files.calls[0].replace("create ", "");
  assert.deepEqual(files.calls.slice(0, named), [
    `create ${temporary}`,
    `write ${temporary}`,
    `sync ${temporary}`,
  ]);
  assert.deepEqual(files.calls.slice(named + 1), [`remove ${temporary}`, "sync /wal"]);
  const found = files.crash(() => false);
  assert.deepEqual(found.paths(), [PATH]);
  await log.close();
});

Deno.test("acknowledgements are written but cost no sync", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  const events = await log.pending(ALL);
  files.calls.length = 0;
  await log.acknowledge(events);
  assert.deepEqual(files.calls, [`write ${PATH}`]);
  await log.close();
});

Deno.test("short writes are continued", async () => {
  const files = newDisk();
  const log = await createLog(files);
  files.faults.write = (_path, bytes) => Math.min(bytes, 7);
  await Promise.all([log.append(event(1)), log.append(event(2, 5000))]);
  assert.deepEqual(sequences(await log.pending(ALL)), [1, 2]);
  await log.close();
});

Deno.test("full disk rolls back the group and all that waits, and the log works again when there is room", async () => {
  const files = newDisk();
  const failed: boolean[] = [];
  const log = await createLog(files, { observe: { writeFailed: (noSpace) => failed.push(noSpace) } });
  await log.append(event(1));
  const before = files.content(PATH);
  let room = 30;
  files.faults.write = (_path, bytes) => {
    if (room === 0) throw noSpaceError();
    const taken = Math.min(room, bytes);
    room -= taken;
    return taken;
  };
  const errors = await Promise.all([2, 3].map((sequence) => errorOf(log.append(event(sequence)))));
  for (const error of errors) {
    assert.ok(error instanceof LogWriteError && error.noSpace);
    assert.match(error.message, /make room on its disk/);
  }
  assert.deepEqual(files.content(PATH), before);
  assert.deepEqual([log.lastSequence, log.counts.pending, log.sealed, failed], [1n, 1, undefined, [true]]);
  files.faults = {};
  await log.append(event(2));
  assert.deepEqual(sequences(await log.pending(ALL)), [1, 2]);
  await log.close();
  assert.deepEqual(eventsIn(files.content(PATH)), [1, 2]);
});

Deno.test("appends that gather behind a failing group are turned away with it, so that none overtakes another", async () => {
  const files = newDisk();
  const log = await createLog(files);
  let later: Promise<unknown> | undefined;
  files.faults.write = () => {
    later ??= errorOf(log.append(event(2)));
    throw inputOutputError();
  };
  const first = await errorOf(log.append(event(1)));
  assert.ok(first instanceof LogWriteError && !first.noSpace);
  assert.ok(await later instanceof LogWriteError);
  files.faults = {};
  await log.append(event(1));
  await log.append(event(2));
  await log.close();
});

Deno.test("a disk that takes nothing without an error is an error", async () => {
  const files = newDisk();
  const log = await createLog(files);
  files.faults.write = () => 0;
  assert.ok(await errorOf(log.append(event(1))) instanceof LogWriteError);
  files.faults = {};
  await log.close();
});

Deno.test("acknowledgement that finds no room is written with the next record", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  files.faults.write = () => {
    throw noSpaceError();
  };
  await log.acknowledge(await log.pending(ALL));
  assert.equal(log.counts.pending, 0);
  files.faults = {};
  await log.append(event(2));
  await log.close();
  const ledger = new Ledger();
  for (const record of new Scanner().push(files.content(PATH))) ledger.add(record);
  assert.deepEqual([ledger.sent, ledger.pending], [1, 1]);
});

Deno.test("event whose failure finds no room stays pending", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  const [first] = await log.pending(ALL);
  files.faults.write = () => {
    throw noSpaceError();
  };
  assert.ok(
    await errorOf(log.fail(first, { code: "c", message: "m", attempts: 1 })) instanceof LogWriteError,
  );
  files.faults = {};
  assert.deepEqual(sequences(await log.pending(ALL)), [1]);
  await log.close();
});

Deno.test("failed sync seals the log for ever: that group, what waits, and all that comes", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  const durable = await log.pending(ALL);
  let waiting: Promise<unknown> | undefined;
  files.faults.sync = () => {
    waiting ??= errorOf(log.append(event(3)));
    throw inputOutputError();
  };
  const failed = await errorOf(log.append(event(2)));
  files.faults = {};
  for (const error of [failed, await waiting, log.sealed, await errorOf(log.append(event(4)))]) {
    assert.ok(error instanceof LogSealedError);
    assert.match(error.message, /syncing it failed/);
    assert.ok(error.cause instanceof Error);
  }
  assert.ok(await errorOf(log.acknowledge(durable)) instanceof LogSealedError);
  assert.ok(
    await errorOf(log.fail(durable[0], { code: "c", message: "m", attempts: 1 })) instanceof LogSealedError,
  );
  assert.deepEqual(sequences(await log.pending(ALL)), [1], "what was durable before can still be read");
  await log.close();
  const again = await openLog(files.crash(() => false));
  assert.deepEqual(sequences(await again.pending(ALL)), [1]);
  await again.close();
});

Deno.test("rollback that fails seals the log, and opening cuts what is left of the group", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  let calls = 0;
  files.faults = {
    write: () => {
      if (calls++ === 0) return 13;
      throw noSpaceError();
    },
    truncate: () => {
      throw inputOutputError();
    },
  };
  const error = await errorOf(log.append(event(2)));
  assert.ok(error instanceof LogSealedError && error.cause instanceof AggregateError);
  assert.ok(await errorOf(log.append(event(2))) instanceof LogSealedError);
  await log.close();
  const again = await openLog(files.restart());
  assert.equal(again.lastSequence, 1n);
  await again.append(event(2));
  await again.close();
});

Deno.test("interval mode answers after the write, and syncs and gives out when the time has come", async () => {
  const files = newDisk();
  const clock = new ManualClock();
  const log = await createLog(files, { clock, sync: { mode: "interval", intervalMs: 100 } });
  files.calls.length = 0;
  await log.append(event(1));
  await log.append(event(2));
  assert.deepEqual(files.calls, [`write ${PATH}`, `write ${PATH}`]);
  assert.deepEqual(await log.pending(ALL), []);
  assert.deepEqual([log.counts.pending, log.oldestPendingTimestampMs], [2, 1001]);
  const woken = log.waitForPending();
  await clock.pass(100);
  await woken;
  assert.equal(files.calls.at(-1), `sync ${PATH}`);
  assert.deepEqual(sequences(await log.pending(ALL)), [1, 2]);
  await log.append(event(3));
  await log.close();
  assert.deepEqual(eventsIn(files.crash(() => false).content(PATH)), [1, 2, 3], "closing syncs");
});

Deno.test("interval mode syncs and gives out at once when it is asked to, also what gathers meanwhile", async () => {
  const files = newDisk();
  const log = await createLog(files, {
    clock: new ManualClock(),
    sync: { mode: "interval", intervalMs: 100 },
  });
  await log.append(event(1));
  const later = log.append(event(2));
  await log.sync();
  await later;
  assert.deepEqual(sequences(await log.pending(ALL)), [1, 2]);
  assert.deepEqual(eventsIn(files.restart().content(PATH)), [1, 2]);
  files.calls.length = 0;
  await log.sync();
  assert.ok(!files.calls.includes(`write ${PATH}`));
  await log.close();
  assert.ok(await errorOf(log.sync()) instanceof LogSealedError);
});

Deno.test("interval mode is sealed by a sync that fails behind its back", async () => {
  const files = newDisk();
  const clock = new ManualClock();
  const log = await createLog(files, { clock, sync: { mode: "interval", intervalMs: 100 } });
  await log.append(event(1));
  const failed = gate();
  files.faults.sync = () => {
    failed.resolve();
    throw inputOutputError();
  };
  await clock.pass(100);
  await failed.promise;
  assert.ok(await errorOf(log.append(event(2))) instanceof LogSealedError);
  await log.close();
});

Deno.test("creating a log leaves nothing behind when it fails", async () => {
  const faults: Faults[] = [
    {
      write: () => {
        throw noSpaceError();
      },
    },
    {
      sync: () => {
        throw inputOutputError();
      },
    },
    {
      link: () => {
        throw noSpaceError();
      },
    },
  ];
  for (const fault of faults) {
    const files = newDisk();
    files.faults = fault;
    assert.ok(await errorOf(createLog(files)) instanceof LogWriteError);
    assert.deepEqual(files.paths(), []);
  }
});

Deno.test("tail that cannot be saved is not cut", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  await log.close();
  const torn = files.content(PATH).subarray(0, -1);
  files.put(PATH, torn);
  files.faults.write = () => {
    throw noSpaceError();
  };
  assert.ok(await errorOf(openLog(files)) instanceof LogWriteError);
  assert.deepEqual(files.paths(), [PATH]);
  assert.deepEqual(files.content(PATH), torn);
});

Deno.test("tail is saved and stable before it is cut", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.append(event(1));
  const end = log.counts.bytes;
  await log.append(event(2));
  await log.close();
  const torn = files.content(PATH).subarray(0, -1);
  files.put(PATH, torn);
  const powerCut = Promise.withResolvers<MemoryFiles>();
  files.faults.truncate = (path) => {
    if (path === PATH) powerCut.resolve(files.crash(() => false));
  };
  await (await openLog(files)).close();
  const found = await powerCut.promise;
  assert.deepEqual(found.content(`${PATH}.cut-${end}`), torn.subarray(end));
  assert.deepEqual(found.content(PATH), torn);
  assert.equal(files.crash(() => false).content(PATH).length, end);
});

Deno.test("opening makes stable what a killed writer left unsynced, before any of it is given out", async () => {
  const files = newDisk();
  const log = await createLog(files);
  await log.close();
  files.calls.length = 0;
  await (await openLog(files)).close();
  assert.deepEqual(files.calls, [`sync ${PATH}`, "sync /wal"]);
});

Deno.test("events that do not read back as written are an error, not something to send", async () => {
  const files = newDisk();
  const first = await createLog(files);
  await first.append(event(1));
  await first.close();
  // What this process wrote it still has in memory; what an earlier one wrote it has to read.
  const log = await openLog(files);
  files.faults.read = () => {
    throw inputOutputError();
  };
  assert.ok(await errorOf(log.pending(ALL)) instanceof LogReadError);
  files.faults = {};
  assert.deepEqual(sequences(await log.pending(ALL)), [1]);
  await log.close();
});

Deno.test("reading ahead never holds more than a few events' places", async () => {
  const files = newDisk();
  const log = await createLog(files);
  const appended = [];
  for (let sequence = 1; sequence <= 5000; sequence++) appended.push(log.append(event(sequence)));
  await Promise.all(appended);
  const seen = [];
  for (let events; (events = await log.pending({ events: 700, bytes: 1e6 })).length > 0;) {
    assert.equal(log.oldestPendingTimestampMs, Number(events[0].timestampMs));
    seen.push(...sequences(events));
    await log.acknowledge(events);
  }
  assert.deepEqual(seen, Array.from({ length: 5000 }, (_, i) => i + 1));
  await log.close();
});
