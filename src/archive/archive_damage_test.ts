import { match, ok, strictEqual } from "node:assert/strict";
import { silentLogger } from "../platform/logging/logger.ts";
import { scanLog } from "../wal/reader.ts";
import { archiveLog } from "./archiver.ts";
import { decompressStream } from "./decompress.ts";
import { FRAME_MAGIC } from "./frames.ts";
import { readLogBytes } from "./log_bytes.ts";
import {
  assertSameBytes,
  buildLog,
  collect,
  collectUntilError,
  concat,
  inPieces,
  withDirectory,
} from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";

/** Archives `log` and hands over the archive's bytes, what they decompress to, and a path to write to. */
function withArchive(
  log: Uint8Array,
  body: (archive: Uint8Array, content: Uint8Array, path: string) => Promise<void>,
): Promise<void> {
  return withDirectory(async (directory) => {
    const logPath = `${directory}/job-1.wal`;
    Deno.writeFileSync(logPath, log);
    await archiveLog({ files: systemFiles, logPath, archiveDir: directory, level: 3, logger: silentLogger });
    const path = `${logPath}.zst`;
    await body(Deno.readFileSync(path), await collect(await readLogBytes(systemFiles, path)), path);
  });
}

Deno.test("an archive that lacks or repeats whole frames breaks what its summary promises", async () => {
  await withArchive(buildLog({ events: 30, payloadBytes: 100_000 }), async (archive, content) => {
    const frames = splitFrames(archive);
    strictEqual(frames.length, 4);
    for (const order of [[0], [0, 1, 2], [0, 2, 1, 3], [0, 1, 2, 3, 3]]) {
      const changed = concat(order.map((index) => frames[index]));
      const { bytes, error } = await collectUntilError(decompressStream(inPieces(changed)));
      match(String(error), /ArchiveDamagedError.* its summary promises 3001/, order.join());
      if (order.length === 3) assertSameBytes(bytes, content.subarray(0, bytes.length));
    }
    // One archive behind the other: each keeps its own promise.
    assertSameBytes(
      await collect(decompressStream(inPieces(concat([archive, archive])))),
      concat([content, content]),
    );
  });
});

/**
 * The summary and each frame after it. Our frames begin with their magic, which is not likely anywhere else.
 */
function splitFrames(archive: Uint8Array): Uint8Array[] {
  const starts = [0];
  for (let at = 1; at < archive.length - 4; at++) {
    if (new DataView(archive.buffer).getUint32(at, true) === FRAME_MAGIC) starts.push(at);
  }
  return starts.map((start, index) => archive.subarray(start, starts[index + 1]));
}

Deno.test("every flipped bit of an archive is noticed, unless it changes nothing", async () => {
  await withArchive(buildLog({ events: 3, payloadBytes: 300 }), async (archive, content, path) => {
    let harmless = 0;
    for (let bit = 32; bit < archive.length * 8; bit++) {
      archive[bit >> 3] ^= 1 << (bit & 7);
      const { bytes, error } = await collectUntilError(decompressStream(inPieces(archive)));
      archive[bit >> 3] ^= 1 << (bit & 7);
      if (error !== undefined) continue;
      harmless++;
      assertSameBytes(bytes, content, `bit ${bit}`);
    }
    // The format has a few bits without a meaning: an unused flag and what pads tables and streams.
    ok(harmless < 40, `${harmless} bits`);
    // In the first four bytes a flip makes it no archive: the scanner says so.
    for (let bit = 0; bit < 32; bit++) {
      archive[bit >> 3] ^= 1 << (bit & 7);
      Deno.writeFileSync(path, archive);
      const read = async () =>
        (await scanLog(await readLogBytes(systemFiles, path), () => {})).damage?.problem;
      const found = await read().catch((error) => error.name);
      ok(found === "bad_magic" || found === "ArchiveDamagedError", `bit ${bit}: ${found}`);
      archive[bit >> 3] ^= 1 << (bit & 7);
    }
  });
});
