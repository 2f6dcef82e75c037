import assert from "node:assert/strict";
import fc from "fast-check";
import { crc64 } from "../platform/checksum/crc64.ts";
import { encodeHeader, encodeRecord } from "../wal/format.ts";
import { concat } from "../../tests/support/archive_logs.ts";
import { Measure, replaceBytes, surveyLog } from "./log_content.ts";
import { formatCrc64 } from "./summary.ts";

const RECORD = fc.record({
  sequence: fc.bigInt(-5n, 1000n),
  status: fc.integer({ min: 0, max: 255 }),
  timestampMs: fc.bigInt(0n, 1n << 40n),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: 4000, max: 9000 }).map((length) => new Uint8Array(length).fill(7)),
  ),
});

Deno.test("what is measured of records by their lengths alone is the checksum of their bytes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(RECORD, { maxLength: 20 }), fc.nat(255), async (records, reserved) => {
      const header = encodeHeader();
      // Whoever wrote it may have put something there.
      header[13] = reserved;
      const log = concat([header, ...records.map(encodeRecord)]);
      const { damage, measure } = await surveyLog(
        async function* () {
          for (let at = 0; at < log.length; at += 1000) yield log.subarray(at, at + 1000);
        }(),
        false,
      );
      assert.equal(damage, undefined);
      assert.deepEqual(measure.result(), { raw_bytes: log.length, raw_crc64: formatCrc64(crc64(log)) });
    }),
    { numRuns: 50 },
  );
});

Deno.test("a measure follows when the beginning is replaced", async () => {
  const log = crypto.getRandomValues(new Uint8Array(10_000));
  const replacement = { offset: 16, length: 300, bytes: crypto.getRandomValues(new Uint8Array(77)) };
  const content: Uint8Array[] = [];
  for await (
    const chunk of replaceBytes(
      async function* () {
        yield log;
      }(),
      [replacement],
    )
  ) {
    content.push(chunk.slice());
  }
  const replaced = concat(content);
  const [measure, before, after] = [new Measure(), new Measure(), new Measure()];
  measure.add(log);
  before.add(log.subarray(0, 316));
  after.add(replaced.subarray(0, 16 + 77));
  measure.exchangeBeginning(before, after);
  assert.deepEqual(measure.result(), {
    raw_bytes: replaced.length,
    raw_crc64: formatCrc64(crc64(replaced)),
  });
});
