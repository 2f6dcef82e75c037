import { withPlace } from "../../tests/support/archive_place.ts";
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { LogLockedError } from "../wal/errors.ts";
import { ArchiveError } from "./archive_errors.ts";
import { FailingFiles } from "../../tests/support/failing_files.ts";
import { removeStaleFiles, STALE_AFTER_MS } from "./stale_files.ts";
import { assertSameBytes, buildLog } from "../../tests/support/archive_logs.ts";

Deno.test("archiving follows the order of the durability contract", async () => {
  await withPlace(buildLog(), async (place) => {
    const files = new FailingFiles(systemFiles);
    await place.archive({ files });
    deepStrictEqual(files.trace, [
      "open job-1.wal",
      "makeDirectory archive",
      "create .job-1.wal.zst.tmp",
      "write .job-1.wal.zst.tmp",
      "write .job-1.wal.zst.tmp",
      "sync .job-1.wal.zst.tmp",
      "link .job-1.wal.zst.tmp job-1.wal.zst",
      "remove .job-1.wal.zst.tmp",
      "syncDirectory archive",
      "remove job-1.wal",
      "syncDirectory wal",
    ]);
  });
});

Deno.test("after a crash at any operation nothing is lost, and the next run finishes", async () => {
  const log = buildLog({ events: 40, payloadBytes: 30_000 });
  let expected: Uint8Array | undefined;
  let crashes = 0;
  for (let crashAt = 0;; crashAt++) {
    let crashed = false;
    await withPlace(log, async (place) => {
      try {
        await place.archive({ files: new FailingFiles(systemFiles, { crashAt }) });
      } catch (error) {
        ok(error instanceof ArchiveError, String(error));
        crashed = true;
      }
      if (place.logs().length === 1) {
        assertSameBytes(Deno.readFileSync(place.logPath), log);
        const { outcome } = await place.archive();
        ok(outcome === "archived" || outcome === "already_archived");
      }
      await removeStaleFiles(place.archiveDir, {
        files: systemFiles,
        logger: silentLogger,
        nowMs: Date.now() + STALE_AFTER_MS,
      });
      deepStrictEqual([place.logs(), place.archives()], [[], ["job-1.wal.zst"]], `crash at ${crashAt}`);
      expected ??= await place.content();
      assertSameBytes(await place.content(), expected);
    });
    if (!crashed) break;
    crashes++;
  }
  ok(crashes >= 20, `${crashes} operations`);
});

Deno.test("a full disk leaves the log and no temporary file", async () => {
  const log = buildLog({ events: 40, payloadBytes: 10_000 });
  for (const diskBytes of [0, 1, 5000]) {
    await withPlace(log, async (place) => {
      const error = await place.archive({ files: new FailingFiles(systemFiles, { diskBytes }) }).catch((
        error,
      ) => error);
      ok(error instanceof ArchiveError && error.noSpace);
      match(error.message, /no space left on device.* Nothing is lost/);
      deepStrictEqual([place.logs(), place.archives()], [["job-1.wal"], []]);
      assertSameBytes(Deno.readFileSync(place.logPath), log);
    });
  }
});

Deno.test("what reads back differently is not trusted", async () => {
  await withPlace(buildLog({ events: 40, payloadBytes: 10_000 }), async (place) => {
    const spoil = () => {
      const [name] = place.archives();
      using file = Deno.openSync(`${place.archiveDir}/${name}`, { write: true });
      file.seekSync(2000, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(10));
    };
    const files = new FailingFiles(systemFiles, { before: { line: "sync .job-1", run: spoil } });
    await rejects(place.archive({ files }), ArchiveError);
    deepStrictEqual([place.logs(), place.archives()], [["job-1.wal"], []]);
  });
});

Deno.test("a log that is being written is not archived", async () => {
  await withPlace(buildLog(), async (place) => {
    const writer = await systemFiles.open(place.logPath);
    try {
      await rejects(
        place.archive(),
        (error) => error instanceof LogLockedError && error.path === place.logPath,
      );
    } finally {
      writer.close();
    }
    strictEqual((await place.archive()).outcome, "archived");
  });
});

Deno.test("nobody can open the log while it is archived, and growth by others is noticed", async () => {
  const log = buildLog();
  await withPlace(log, async (place) => {
    let locked = false;
    const files = new FailingFiles(systemFiles, {
      before: {
        line: "link",
        run: async () => {
          locked = await systemFiles.open(place.logPath).then((file) => (file.close(), false), () => true);
          Deno.writeFileSync(place.logPath, new Uint8Array(5), { append: true });
        },
      },
    });
    await rejects(place.archive({ files }), /the log grew while it was archived/);
    strictEqual(locked, true);
    strictEqual(Deno.statSync(place.logPath).size, log.length + 5);
  });
});
