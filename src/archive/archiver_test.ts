import { ArchivePlace, namesIn, withPlace } from "../../tests/support/archive_place.ts";
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { systemFiles } from "../platform/system_files.ts";
import { executionRecord } from "../wal/execution.ts";
import { encodeRecord, Status } from "../wal/format.ts";
import { scanLog } from "../wal/reader.ts";
import { ArchiveError } from "./archive_errors.ts";
import { FailingFiles } from "../../tests/support/failing_files.ts";
import { readSummary } from "./summary.ts";
import {
  assertSameBytes,
  buildLog,
  concat,
  inPieces,
  noise,
  runZstd,
  TOKEN,
  withDirectory,
} from "../../tests/support/archive_logs.ts";

Deno.test("a delivered log is archived without its token, and everything else byte for byte", async () => {
  const log = buildLog({ events: 20, completion: "completed" });
  await withPlace(log, async (place) => {
    const result = await place.archive({ ended: true, exitCode: 3 });
    strictEqual(result.outcome, "archived");
    deepStrictEqual([place.logs(), place.archives()], [[], ["job-1.wal.zst"]]);
    strictEqual(Deno.statSync(`${place.archiveDir}/job-1.wal.zst`).mode! & 0o777, 0o600);
    const content = await place.content();
    // The first record is the execution; what comes after it has to be the same.
    const firstLength = (bytes: Uint8Array) => new DataView(bytes.buffer).getUint32(16, true);
    assertSameBytes(content.subarray(16 + firstLength(content)), log.subarray(16 + firstLength(log)));
    const text = new TextDecoder().decode(content);
    ok(!text.includes(TOKEN) && !text.includes("task_token"));
    ok(text.includes('{"job_id":"job-1","execution":3,"queue":"default"'));
    const { damage, ledger } = await scanLog(inPieces(content), () => {});
    deepStrictEqual([damage, ledger.sent, ledger.pending], [undefined, 20, 0]);
  });
});

Deno.test("the summary says what is in the archive", async () => {
  await withPlace(buildLog({ events: 20, failLast: true, completion: "completed" }), async (place) => {
    await place.archive({ ended: true, exitCode: 3 });
    const summary = await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`);
    const content = await place.content();
    ok(summary !== undefined);
    const { raw_crc64, ...rest } = summary;
    match(raw_crc64, /^[0-9a-f]{16}$/);
    deepStrictEqual({ ...rest, summary_crc64: "" }, {
      schema_version: 1,
      job_id: "job-1",
      execution: 3,
      events: 20,
      pending: 0,
      failed: 1,
      first_ms: 1001,
      last_ms: 1020,
      raw_bytes: content.length,
      ended: true,
      exit_code: 3,
      completion: "completed",
      summary_crc64: "",
    });
  });
});

Deno.test("the token of a delivered log is kept until its job is completed, and dropped when another execution counts", async () => {
  const expected = [
    [undefined, "due", true],
    ["refused", "refused", true],
    ["differs", "differs", true],
    ["superseded", "superseded", false],
    ["completed", "completed", false],
  ] as const;
  for (const [completion, inSummary, hasToken] of expected) {
    const log = buildLog({ events: 4, completion });
    await withPlace(log, async (place) => {
      await place.archive({ ended: true, exitCode: 0 });
      const summary = await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`);
      strictEqual(summary?.completion, inSummary);
      strictEqual(new TextDecoder().decode(await place.content()).includes(TOKEN), hasToken, inSummary);
    });
  }
  // A job that had not ended is nothing to complete: it runs again, with another token.
  await withPlace(buildLog({ events: 4 }), async (place) => {
    await place.archive({ ended: false });
    strictEqual((await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`))?.completion, undefined);
    ok(!new TextDecoder().decode(await place.content()).includes(TOKEN));
  });
});

Deno.test("the tokens of all servers that a log was adopted by are dropped, and what they say stays", async () => {
  const adoption = encodeRecord(executionRecord({
    job_id: "job-1",
    execution: 3,
    queue: "default",
    server: "http://127.0.0.1:2",
    task_token: `${TOKEN}-again`,
    worker: "w",
    version: "1",
    started_at_ms: 1000,
  }, 2000n));
  const before = buildLog({ events: 4, completion: "completed" });
  const rest = buildLog({ execution: false, events: 0, acknowledged: 4, completion: "completed" }).slice(16);
  await withPlace(concat([before, adoption]), async (place) => {
    await place.archive({ ended: true, exitCode: 0 });
    // The former server was told that the job ended, and the latter was not.
    const summary = await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`);
    deepStrictEqual([summary?.pending, summary?.completion], [4, "due"]);
  });
  await withPlace(concat([before, adoption, rest]), async (place) => {
    await place.archive({ ended: true, exitCode: 0 });
    const text = new TextDecoder().decode(await place.content());
    ok(!text.includes(TOKEN));
    ok(text.includes("http://127.0.0.1:2"));
    const summary = await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`);
    deepStrictEqual([summary?.events, summary?.pending, summary?.completion], [4, 0, "completed"]);
  });
});

Deno.test("with something unsent the token is kept, and every byte of the log", async () => {
  const log = buildLog({ events: 4, acknowledged: 3 });
  await withPlace(log, async (place) => {
    await place.archive();
    assertSameBytes(await place.content(), log);
    strictEqual((await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`))?.pending, 1);
  });
});

Deno.test("a log without an execution record is named after its file", async () => {
  await withPlace(buildLog({ execution: false, events: 0 }), async (place) => {
    await place.archive();
    const summary = await readSummary(systemFiles, `${place.archiveDir}/job-1.wal.zst`);
    deepStrictEqual([summary?.job_id, summary?.execution, summary?.first_ms], [
      "job-1",
      undefined,
      undefined,
    ]);
  });
});

Deno.test("the zstd program lists and decompresses our archives", async () => {
  await withPlace(buildLog({ events: 60, payloadBytes: 100_000 }), async (place) => {
    await place.archive();
    const path = `${place.archiveDir}/job-1.wal.zst`;
    const { code, stdout } = await runZstd(["-d", "-c", path]);
    strictEqual(code, 0);
    assertSameBytes(new Uint8Array(stdout), await place.content());
    const list = new TextDecoder().decode((await runZstd(["-l", path])).stdout);
    // Frames, skippable frames, sizes, ratio, checksum.
    match(list, /\n +7 +1 +[0-9.]+ MiB +5\.72 MiB +[0-9.]+ +XXH64 /);
  });
});

Deno.test("a damaged log stays where it is", async () => {
  await withPlace(buildLog().subarray(0, -3), async (place) => {
    const result = await place.archive();
    strictEqual(result.outcome, "damaged");
    strictEqual(result.outcome === "damaged" && result.damage.problem, "torn_record");
    deepStrictEqual([place.logs(), place.archives()], [["job-1.wal"], []]);
  });
});

Deno.test("an archive with the same content makes the log a leftover, whoever wrote it", async () => {
  const log = buildLog({ acknowledged: 1 });
  await withPlace(log, async (place) => {
    Deno.mkdirSync(place.archiveDir);
    Deno.writeFileSync(`${place.archiveDir}/job-1.wal.zst`, (await runZstd(["-c"], log)).stdout);
    const files = new FailingFiles(systemFiles);
    strictEqual((await place.archive({ files })).outcome, "already_archived");
    deepStrictEqual([place.logs(), place.archives()], [[], ["job-1.wal.zst"]]);
    deepStrictEqual(files.trace.slice(2), [
      "open job-1.wal.zst",
      "sync job-1.wal.zst",
      "syncDirectory archive",
      "remove job-1.wal",
      "syncDirectory wal",
    ]);
  });
});

Deno.test("a name that is taken is never taken away: the next free one is used", async () => {
  await withPlace(buildLog(), async (place) => {
    Deno.mkdirSync(place.archiveDir);
    const put = (name: string, bytes: Uint8Array) => Deno.writeFileSync(`${place.archiveDir}/${name}`, bytes);
    put("job-1.wal.zst", (await runZstd(["-c"], buildLog({ events: 1 }))).stdout);
    put("job-1.2.wal.zst", noise(50));
    put("job-1.3.wal.zst", (await runZstd(["-c"], buildLog())).stdout.slice(0, -9));
    Deno.symlinkSync("nowhere", `${place.archiveDir}/job-1.4.wal.zst`);
    const result = await place.archive();
    strictEqual(result.outcome === "archived" && result.archivePath, `${place.archiveDir}/job-1.5.wal.zst`);
    strictEqual(place.archives().length, 5);
    deepStrictEqual(place.logs(), []);
  });
});

Deno.test("a directory that has an archive's name, or a later one, is no archive and in nobody's way", async () => {
  await withPlace(buildLog(), async (place) => {
    Deno.mkdirSync(`${place.archiveDir}/job-1.wal.zst`, { recursive: true });
    Deno.mkdirSync(`${place.archiveDir}/job-1.3.wal.zst`);
    const result = await place.archive();
    strictEqual(result.outcome === "archived" && result.archivePath, `${place.archiveDir}/job-1.2.wal.zst`);
    deepStrictEqual(place.logs(), []);
  });
});

Deno.test("the archive of an earlier state of the log goes when the log is archived, and no other does", async () => {
  const early = buildLog({ events: 5, acknowledged: 2 });
  const late = new Uint8Array([...early, ...acknowledgement(5n)]);
  await withPlace(early, async (place) => {
    await place.archive();
    // Restored and kept; then a worker sent the rest.
    Deno.writeFileSync(place.logPath, late);
    const files = new FailingFiles(systemFiles);
    strictEqual((await place.archive({ files })).outcome, "archived");
    deepStrictEqual([place.logs(), place.archives()], [[], ["job-1.2.wal.zst"]]);
    strictEqual((await readSummary(systemFiles, `${place.archiveDir}/job-1.2.wal.zst`))?.pending, 0);
    deepStrictEqual(files.trace.slice(-6), [
      "syncDirectory archive",
      "open job-1.wal.zst",
      "remove job-1.wal.zst",
      "syncDirectory archive",
      "remove job-1.wal",
      "syncDirectory wal",
    ]);
  });
  // Another execution's, one that is not told to be sent, one without a record, and one that somebody
  // restores just now.
  const others = [
    buildLog({ events: 9, acknowledged: 2, firstMs: 5000 }),
    buildLog({ events: 5 }),
    early.slice(0, 16),
  ];
  for (const other of others) {
    await withPlace(other, async (place) => {
      await place.archive();
      Deno.writeFileSync(place.logPath, late);
      strictEqual((await place.archive()).outcome, "archived");
      deepStrictEqual(place.archives(), ["job-1.2.wal.zst", "job-1.wal.zst"]);
    });
  }
  await withPlace(early, async (place) => {
    await place.archive();
    Deno.writeFileSync(place.logPath, late);
    const restoring = await systemFiles.open(`${place.archiveDir}/job-1.wal.zst`);
    try {
      await rejects(place.archive(), ArchiveError);
      deepStrictEqual(place.logs(), ["job-1.wal"], "whoever restores it must still find the log");
    } finally {
      restoring.close();
    }
    strictEqual((await place.archive()).outcome, "already_archived");
    deepStrictEqual([place.logs(), place.archives()], [[], ["job-1.2.wal.zst"]]);
  });
});

function acknowledgement(sequence: bigint): Uint8Array {
  return encodeRecord({ sequence, status: Status.SENT, timestampMs: 1n, payload: new Uint8Array() });
}

Deno.test("a name that is taken at the last moment is not taken away either", async () => {
  const log = buildLog({ acknowledged: 0 });
  const cases = [
    { theirs: log, outcome: "already_archived", archives: ["job-1.wal.zst"] },
    { theirs: buildLog(), outcome: "archived", archives: ["job-1.2.wal.zst", "job-1.wal.zst"] },
  ];
  for (const { theirs, outcome, archives } of cases) {
    await withPlace(log, async (place) => {
      const path = `${place.archiveDir}/job-1.wal.zst`;
      const bytes = (await runZstd(["-c"], theirs)).stdout;
      const before = {
        line: "link .job-1.wal.zst.tmp job-1.wal.zst",
        run: () => Deno.writeFileSync(path, bytes, { createNew: true }),
      };
      strictEqual(
        (await place.archive({ files: new FailingFiles(systemFiles, { before }) })).outcome,
        outcome,
      );
      deepStrictEqual([place.logs(), place.archives()], [[], archives]);
      assertSameBytes(Deno.readFileSync(path), bytes);
    });
  }
});

Deno.test("the log of a later execution keeps its number", async () => {
  await withDirectory(async (directory) => {
    await new ArchivePlace(directory, buildLog(), "job-1.2.wal").archive();
    deepStrictEqual(namesIn(`${directory}/archive`), ["job-1.2.wal.zst"]);
  });
});

Deno.test("only what is named as a log is archived", async () => {
  for (const name of ["job-1.wal.zst", "job 1.wal", "job-1.log", "-x.wal"]) {
    await withDirectory(async (directory) => {
      await rejects(new ArchivePlace(directory, buildLog(), name).archive(), RangeError);
    });
  }
  await withPlace(buildLog(), async (place) => {
    await rejects(place.archive({ level: 99 }), RangeError);
    deepStrictEqual([place.logs(), place.archives()], [["job-1.wal"], []]);
    Deno.removeSync(place.logPath);
    await rejects(
      place.archive(),
      (error) => error instanceof ArchiveError && error.cause instanceof Deno.errors.NotFound,
    );
  });
});
