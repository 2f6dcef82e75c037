import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { scanLog } from "../wal/reader.ts";
import { readLogBytes, readLogStream } from "./log_bytes.ts";
import {
  assertSameBytes,
  buildLog,
  collect,
  inPieces,
  runZstd,
  withDirectory,
} from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";

Deno.test("logs and archives are told apart by their first bytes, not by their names", async () => {
  const log = buildLog();
  await withDirectory(async (directory) => {
    const path = `${directory}/wrong-name.wal`;
    Deno.writeFileSync(path, log);
    assertSameBytes(await collect(await readLogBytes(systemFiles, path)), log);
    Deno.writeFileSync(path, (await runZstd(["-c"], log)).stdout);
    assertSameBytes(await collect(await readLogBytes(systemFiles, path)), log);
  });
});

Deno.test("a log from standard input may be an archive, however it is cut", async () => {
  const log = buildLog({ events: 50 });
  const archive = (await runZstd(["-c", "-19"], log)).stdout;
  for (const size of [1, 3, 5, 100_000]) {
    assertSameBytes(await collect(await readLogStream(inPieces(log, size))), log);
    assertSameBytes(await collect(await readLogStream(inPieces(archive, size))), log);
  }
  assertSameBytes(await collect(await readLogStream(inPieces(new Uint8Array(0)))), new Uint8Array(0));
});

Deno.test("an archive scans as its log does", async () => {
  const archive = (await runZstd(["-c"], buildLog({ events: 9, acknowledged: 4 }))).stdout;
  const { ledger, damage } = await scanLog(await readLogStream(inPieces(archive)), () => {});
  strictEqual(damage, undefined);
  deepStrictEqual([ledger.pending, ledger.sent], [5, 4]);
});

Deno.test("a file that is not there is an error before anything is read", async () => {
  await rejects(() => readLogBytes(systemFiles, "/nonexistent/a.wal"), Deno.errors.NotFound);
});
