import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeRecord,
  encodeHeader,
  encodeRecord,
  headerProblem,
  isChecksumRight,
  isPossibleLength,
  PAYLOAD_BYTES_MAX,
  readLength,
  RECORD_BYTES_MAX,
  SEQUENCE_MAX,
  SEQUENCE_MIN,
  Status,
} from "./format.ts";

Deno.test("header is these sixteen bytes", () => {
  assert.equal(encodeHeader().toHex(), "415257414c303031" + "01000000" + "00000000");
});

Deno.test("record is these bytes", () => {
  const record = encodeRecord({
    sequence: 0x0102030405060708n,
    status: Status.PENDING,
    timestampMs: 1_767_225_600_000n,
    payload: new TextEncoder().encode("hi"),
  });
  assert.equal(
    record.toHex(),
    "22000000" + "0807060504030201" + "01" + "000000" + "00a8da769b010000" + "6869" + CHECKSUM_OF_HI,
  );
});
// From the bit-by-bit definition of the checksum, not from the code under test.
const CHECKSUM_OF_HI = "5d368b23e98b92ff";

Deno.test("record comes back as it was encoded, whatever its numbers", () => {
  fc.assert(fc.property(
    fc.record({
      sequence: fc.bigInt({ min: SEQUENCE_MIN, max: SEQUENCE_MAX }),
      status: fc.nat(255),
      timestampMs: fc.bigInt({ min: SEQUENCE_MIN, max: SEQUENCE_MAX }),
      payload: fc.uint8Array({ maxLength: 300 }),
    }),
    (fields) => {
      const bytes = encodeRecord(fields);
      assert.equal(readLength(bytes, 0), bytes.length);
      assert.ok(isChecksumRight(bytes, 0, bytes.length));
      const { offset, length, ...decoded } = decodeRecord(
        bytes,
        new DataView(bytes.buffer),
        0,
        bytes.length,
        77,
      );
      assert.deepEqual({ offset, length }, { offset: 77, length: bytes.length });
      assert.deepEqual({ ...decoded, payload: decoded.payload.slice() }, { ...fields });
    },
  ));
});

Deno.test("no single flipped bit of a record passes its checksum", () => {
  const bytes = encodeRecord({
    sequence: 5n,
    status: 1,
    timestampMs: 9n,
    payload: new Uint8Array(40).fill(7),
  });
  for (let bit = 4 * 8; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3] ^= 1 << (bit & 7);
    assert.ok(!isChecksumRight(bytes, 0, bytes.length), `bit ${bit}`);
    bytes[bit >> 3] ^= 1 << (bit & 7);
  }
});

Deno.test("record of exactly 10 MiB can be encoded, and one byte more is refused", () => {
  const fields = { sequence: 1n, status: 1, timestampMs: 0n, payload: new Uint8Array(PAYLOAD_BYTES_MAX) };
  assert.equal(encodeRecord(fields).length, RECORD_BYTES_MAX);
  assert.throws(
    () => encodeRecord({ ...fields, payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) }),
    RangeError,
  );
});

Deno.test("record refuses numbers that do not fit their fields", () => {
  const fields = { sequence: 1n, status: 1, timestampMs: 0n, payload: new Uint8Array() };
  for (
    const wrong of [{ sequence: SEQUENCE_MAX + 1n }, { timestampMs: SEQUENCE_MIN - 1n }, { status: 256 }, {
      status: 1.5,
    }]
  ) {
    assert.throws(() => encodeRecord({ ...fields, ...wrong }), RangeError);
  }
});

Deno.test("only lengths from 32 bytes to 10 MiB are possible", () => {
  const cases: [number, boolean][] = [[0, false], [31, false], [32, true], [RECORD_BYTES_MAX, true], [
    RECORD_BYTES_MAX + 1,
    false,
  ]];
  for (const [length, possible] of cases) assert.equal(isPossibleLength(length), possible, String(length));
});

Deno.test("header with reserved bytes set is still right", () => {
  const header = encodeHeader();
  header[15] = 1;
  assert.equal(headerProblem(header), undefined);
  header[11] = 1;
  assert.equal(headerProblem(header), "bad_version");
  header[0] = 0;
  assert.equal(headerProblem(header), "bad_magic");
});
