import assert from "node:assert/strict";
import { silentLogger } from "../platform/logging/logger.ts";
import { planRepair, repairedBytes } from "../wal/repair.ts";
import { scanLog } from "../wal/reader.ts";
import { archiveLog } from "./archiver.ts";
import { ArchiveDamagedError } from "./archive_errors.ts";
import { salvageArchive } from "./salvage_archive.ts";
import { assertSameBytes, buildLog, collect, withDirectory } from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";

async function archive(directory: string, log: Uint8Array): Promise<string> {
  Deno.writeFileSync(`${directory}/job-1.wal`, log);
  const result = await archiveLog({
    files: systemFiles,
    logPath: `${directory}/job-1.wal`,
    archiveDir: `${directory}/archive`,
    level: 1,
    logger: silentLogger,
  });
  assert.equal(result.outcome, "archived");
  return `${directory}/archive/job-1.wal.zst`;
}

Deno.test("a damaged frame of an archive costs its own records, and those behind it are saved", async () => {
  await withDirectory(async (directory) => {
    // Three frames of a mebibyte.
    const path = await archive(directory, buildLog({ events: 3000, payloadBytes: 1000, acknowledged: 0 }));
    const bytes = Deno.readFileSync(path);
    bytes[Math.floor(bytes.length / 2)] ^= 0x10;
    Deno.writeFileSync(path, bytes);
    const damages: ArchiveDamagedError[] = [];
    const open = () => salvageArchive(systemFiles, path, (error) => void damages.push(error));
    const plan = await planRepair(open);
    assert.ok(damages.length > 0 && damages.every((error) => error instanceof ArchiveDamagedError));
    const sequences: number[] = [];
    const { damage } = await scanLog(repairedBytes(open, plan), ({ sequence }, kind) => {
      if (kind === "event") sequences.push(Number(sequence));
    });
    assert.equal(damage, undefined);
    assert.ok(sequences.includes(1) && sequences.includes(900) && sequences.includes(3000));
    assert.ok(sequences.length >= 1900 && sequences.length < 3000, `${sequences.length} events`);
  });
});

Deno.test("salvage of a whole archive is its log, and that of one with a wrong summary is read once", async () => {
  await withDirectory(async (directory) => {
    const log = buildLog({ events: 50, acknowledged: 0 });
    const path = await archive(directory, log);
    assertSameBytes(await collect(salvageArchive(systemFiles, path, (error) => assert.fail(error))), log);
    const bytes = Deno.readFileSync(path);
    bytes[30] ^= 1;
    Deno.writeFileSync(path, bytes);
    const damages: string[] = [];
    assertSameBytes(
      await collect(salvageArchive(systemFiles, path, ({ reason }) => void damages.push(reason))),
      log,
    );
    assert.equal(damages.length, 1);
  });
});

Deno.test("salvage of an archive that was cut off ends there", async () => {
  await withDirectory(async (directory) => {
    const log = buildLog({ events: 3000, payloadBytes: 1000, acknowledged: 0 });
    const path = await archive(directory, log);
    const { size } = Deno.statSync(path);
    Deno.truncateSync(path, Math.floor(size / 2));
    const found = await collect(salvageArchive(systemFiles, path, () => {}));
    assert.ok(found.length > 1_000_000 && found.length < log.length);
    assertSameBytes(found.subarray(0, 1_000_000), log.subarray(0, 1_000_000));
  });
});
