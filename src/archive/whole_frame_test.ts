import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { compressStream, FRAME_CONTENT_BYTES_MAX } from "./compress.ts";
import { decompressStream } from "./decompress.ts";
import {
  assertSameBytes,
  collect,
  concat,
  inPieces,
  noise,
  runZstd,
} from "../../tests/support/archive_logs.ts";

const FRAME = FRAME_CONTENT_BYTES_MAX;

/** Bytes that no compression makes smaller. */
function incompressible(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

Deno.test("our frames are given whole, the largest and least compressible included, in one frame's memory", async () => {
  const content = concat([incompressible(FRAME), noise(FRAME), noise(100)]);
  const archive = await collect(compressStream(inPieces(content), 3));
  const kept: Uint8Array[] = [];
  const sizes: number[] = [];
  let at = 0;
  for await (const chunk of decompressStream(inPieces(archive, 10_000))) {
    assertSameBytes(chunk, content.subarray(at, at + chunk.length));
    at += chunk.length;
    sizes.push(chunk.length);
    kept.push(chunk);
  }
  deepStrictEqual(sizes, [FRAME, FRAME, 100]);
  // What is kept has the memory of one frame, or none any more.
  const buffers = new Set(kept.map((chunk) => chunk.buffer));
  ok([...buffers].reduce((bytes, buffer) => bytes + buffer.byteLength, 0) <= FRAME);
});

Deno.test("a source of frames uses the same memory for each", async () => {
  const buffers = new Set<ArrayBufferLike>();
  let frames = 0;
  for await (const frame of compressStream(inPieces(noise(6 * FRAME)), 3)) {
    buffers.add(frame.buffer);
    frames++;
  }
  strictEqual(frames, 6);
  // One, and now and then a larger one.
  strictEqual(buffers.size <= 3, true, `${buffers.size} buffers`);
});

Deno.test("frames of other writers are read whatever they declare", async () => {
  const content = noise(3 * FRAME);
  for (const args of [["--no-check"], ["--check"], ["--no-content-size"]]) {
    const { stdout } = await runZstd(["-c", "-q", ...args], content);
    assertSameBytes(await collect(decompressStream(inPieces(new Uint8Array(stdout)))), content, args[0]);
  }
});
