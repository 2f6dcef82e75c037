import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { encodeSkippableFrame } from "./frames.ts";
import {
  type ArchiveSummary,
  decodeSummary,
  encodeSummary,
  readSummary,
  SUMMARY_VARIANT,
} from "./summary.ts";
import { concat, noise, withDirectory } from "../../tests/support/archive_logs.ts";
import { systemFiles } from "../platform/system_files.ts";

const SUMMARY: ArchiveSummary = {
  schema_version: 1,
  job_id: "job-ä",
  execution: 2,
  events: 7,
  pending: 0,
  failed: 1,
  first_ms: 1000,
  last_ms: 2000,
  raw_bytes: 1234,
  raw_crc64: "00000000deadbeef",
  ended: true,
  exit_code: -1,
};

Deno.test("a summary is JSON in a skippable frame, and is read back", () => {
  const frame = encodeSummary(SUMMARY);
  const content = frame.subarray(8);
  deepStrictEqual(decodeSummary(SUMMARY_VARIANT, content), {
    ...SUMMARY,
    summary_crc64: JSON.parse(new TextDecoder().decode(content)).summary_crc64,
  });
  ok(
    new TextDecoder().decode(content).startsWith(
      '{"schema_version":1,"job_id":"job-ä","execution":2,"events":7',
    ),
  );
});

Deno.test("no flipped bit of a summary is taken for anything but damage", () => {
  const frame = encodeSummary(SUMMARY);
  for (let bit = 0; bit < 4; bit++) {
    strictEqual(decodeSummary(SUMMARY_VARIANT ^ 1 << bit, frame.subarray(8)), "damaged");
  }
  for (let bit = 0; bit < (frame.length - 8) * 8; bit++) {
    const content = frame.slice(8);
    content[bit >> 3] ^= 1 << (bit & 7);
    strictEqual(decodeSummary(SUMMARY_VARIANT, content), "damaged", `bit ${bit}`);
  }
});

Deno.test("other programs' frames are not summaries", () => {
  for (const text of ["", "{}", '{"schema_version":2,"job_id":"a"}', "hello", '{"schema_version":1}']) {
    strictEqual(decodeSummary(SUMMARY_VARIANT, new TextEncoder().encode(text)), undefined, text);
  }
});

Deno.test("a summary is read from the beginning of a file, and a file without one has none", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/a`;
    const read = (bytes: Uint8Array) => {
      Deno.writeFileSync(path, bytes);
      return readSummary(systemFiles, path);
    };
    strictEqual((await read(concat([encodeSummary(SUMMARY), noise(100_000)])))?.job_id, "job-ä");
    strictEqual(await read(new Uint8Array(0)), undefined);
    strictEqual(await read(noise(5000)), undefined);
    strictEqual(await read(encodeSkippableFrame(SUMMARY_VARIANT, noise(9000))), undefined);
    strictEqual(await read(encodeSummary(SUMMARY).subarray(0, 60)), undefined);
  });
});
