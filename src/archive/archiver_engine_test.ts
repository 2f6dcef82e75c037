import assert from "node:assert/strict";
import type { FrameEncoder, ZstdEngine } from "../platform/zstd/engine.ts";
import { ZstdEngineError } from "../platform/zstd/engine.ts";
import { loadZstdModule } from "../platform/zstd/module.ts";
import { loadZstd, replaceEngine } from "../platform/zstd/zstd.ts";
import { encodeHeader, encodeRecord, Status } from "../wal/format.ts";
import { concat, noise } from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { archiveLog } from "./archiver.ts";
import { readLogBytes } from "./log_bytes.ts";

const right = await loadZstdModule();

/** An engine of which `wrong` spoils the frames. */
function spoiledEngine(wrong: (frame: Uint8Array<ArrayBuffer>, number: number) => void): ZstdEngine {
  return {
    startEncoder(level, contentBytesMax): FrameEncoder {
      const encoder = right.startEncoder(level, contentBytesMax);
      let frames = 0;
      return {
        async encode(content) {
          const frame = await encoder.encode(content);
          wrong(frame, ++frames);
          return frame;
        },
        close: () => encoder.close(),
      };
    },
    startDecoder: () => right.startDecoder(),
  };
}

const FAILURES: Record<string, (frame: Uint8Array<ArrayBuffer>, number: number) => void> = {
  "fails at the second frame": (_frame, number) => {
    if (number === 2) throw new ZstdEngineError("no memory");
  },
  "writes a frame with a bit wrong": (frame, number) => {
    if (number === 3) frame[frame.length >> 1] ^= 4;
  },
  "writes a frame that is none": (frame, number) => {
    if (number === 1) frame.fill(0);
  },
};

for (const [name, wrong] of Object.entries(FAILURES)) {
  Deno.test(`an engine that ${name} costs no log: our own archives it, and says so`, async () => {
    const directory = Deno.makeTempDirSync();
    const restore = replaceEngine(spoiledEngine(wrong));
    try {
      const logPath = `${directory}/job.wal`;
      const records = Array.from({ length: 40 }, (_, i) =>
        encodeRecord({
          sequence: BigInt(i + 1),
          status: Status.SENT,
          timestampMs: 5n,
          payload: noise(100_000 + i, i + 1),
        }));
      const log = concat([encodeHeader(), ...records]);
      Deno.writeFileSync(logPath, log);
      const lines: string[] = [];
      const logger = createLogger("info", (line) => void lines.push(line));
      const archiveDir = `${directory}/archive`;
      const { outcome } = await archiveLog({ files: systemFiles, logPath, archiveDir, level: 3, logger });
      assert.equal(outcome, "archived");
      assert.match(lines.join(""), /The system's zstd library failed/);
      assert.equal(await loadZstd(), right);
      const content: Uint8Array[] = [];
      for await (const chunk of await readLogBytes(systemFiles, `${archiveDir}/job.wal.zst`)) {
        content.push(chunk.slice());
      }
      assert.deepEqual(concat(content), log);
      assert.deepEqual([...Deno.readDirSync(archiveDir)].map(({ name }) => name), ["job.wal.zst"]);
    } finally {
      restore();
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

Deno.test("when our own engine fails too, the log stays and the failure is told", async () => {
  const directory = Deno.makeTempDirSync();
  const restore = replaceEngine(spoiledEngine((frame) => void frame.fill(0)));
  const start = right.startEncoder;
  try {
    right.startEncoder = () => ({
      encode: () => Promise.reject(new ZstdEngineError("no memory at all")),
      close() {},
    });
    const logPath = `${directory}/job.wal`;
    Deno.writeFileSync(logPath, encodeHeader());
    const logger = createLogger("info", () => {});
    const archiveDir = `${directory}/archive`;
    await assert.rejects(
      archiveLog({ files: systemFiles, logPath, archiveDir, level: 3, logger }),
      /no memory at all/,
    );
    assert.deepEqual(Deno.readFileSync(logPath), encodeHeader());
    assert.deepEqual([...Deno.readDirSync(archiveDir)], []);
  } finally {
    right.startEncoder = start;
    restore();
    Deno.removeSync(directory, { recursive: true });
  }
});
