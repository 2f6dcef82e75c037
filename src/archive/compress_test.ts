import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { compressStream, FRAME_CONTENT_BYTES_MAX } from "./compress.ts";
import { decompressStream } from "./decompress.ts";
import { parseFrameHeader } from "./frames.ts";
import {
  assertSameBytes,
  collect,
  concat,
  inPieces,
  noise,
  runZstd,
} from "../../tests/support/archive_logs.ts";

const FRAME = FRAME_CONTENT_BYTES_MAX;

Deno.test("what is compressed decompresses to itself, whatever its size", async () => {
  for (
    const size of [
      0,
      1,
      255,
      256,
      65_535,
      65_792,
      131_072,
      131_073,
      FRAME - 1,
      FRAME,
      FRAME + 1,
      2 * FRAME,
      4 * FRAME,
      5_000_001,
    ]
  ) {
    const content = noise(size);
    const compressed = await collect(compressStream(inPieces(content), 3));
    assertSameBytes(await collect(decompressStream(inPieces(compressed))), content, `${size} bytes`);
  }
});

Deno.test("anything compressed at any level decompresses to itself, in pieces of any size", async () => {
  // Pieces that come again make matches; runs make repeated bytes; the rest is left as it is.
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.tuple(fc.nat(255), fc.nat(200_000)).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    fc.tuple(fc.nat(3), fc.nat(150_000)).map(([seed, length]) => noise(length, seed + 1)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      fc.constantFrom(1, 3, 9, 19),
      fc.integer({ min: 1, max: 70_000 }),
      async (pieces, level, size) => {
        const content = concat(pieces);
        const compressed = await collect(compressStream(inPieces(content, 30_000), level));
        assertSameBytes(await collect(decompressStream(inPieces(compressed, size))), content);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("frames hold at most 1 MiB and declare their size and a checksum", async () => {
  const frames: Uint8Array[] = [];
  for await (const frame of compressStream(inPieces(noise(FRAME + 10), 1_000_000), 3)) {
    frames.push(frame.slice());
  }
  const headers = frames.map((frame) => parseFrameHeader(frame));
  deepStrictEqual(
    headers.map((header) =>
      typeof header === "object" && header.kind === "zstd" && [header.contentBytes, header.hasChecksum]
    ),
    [[FRAME, true], [10, true]],
  );
});

Deno.test("the zstd program takes our frames, and sees a flipped bit in them", async () => {
  const content = noise(FRAME + 100_000);
  const compressed = await collect(compressStream(inPieces(content), 3));
  const { code, stdout, stderr } = await runZstd(["-d", "-c"], compressed);
  strictEqual(code, 0, stderr);
  assertSameBytes(new Uint8Array(stdout), content);
  compressed[compressed.length - 50] ^= 1;
  strictEqual((await runZstd(["-t"], compressed)).code, 1);
});

Deno.test("a level that zstd does not have is refused", async () => {
  for (const level of [0, 20, 2.5, NaN]) {
    await rejects(collect(compressStream(inPieces(noise(1)), level)), RangeError);
  }
});
