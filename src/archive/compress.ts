/**
 * Bytes to zstd frames that any zstd reader takes, in bounded memory. The WebAssembly module is loaded
 * on first use: commands that compress nothing do not pay for it.
 */
import type { LogBytes } from "../wal/reader.ts";
import { CHECKSUM_FLAG, DESCRIPTOR_OFFSET, FRAME_HEADER_BYTES_MAX, parseFrameHeader } from "./frames.ts";
import { type FrameChecksum, loadFrameChecksum } from "./frame_checksum.ts";

/**
 * A frame holds this much at most, and so much memory archiving takes. Frames of 4 MiB are not smaller for a
 * job's output, but hold up everything else in the process four times as long: 26 ms against 6 ms each.
 */
export const FRAME_CONTENT_BYTES_MAX = 1024 * 1024;

const LEVEL_MIN = 1;
/** Levels 20 to 22 gain nothing on frames of this size and take hundreds of megabytes. */
const LEVEL_MAX = 19;

/** @returns one frame, with its content's size and checksum, valid until the next is made. */
type FrameEncoder = (content: Uint8Array) => Uint8Array<ArrayBuffer>;

/**
 * The module must be initialised once in a process: a second time it mixes two memories, and what it writes
 * is garbage. So nobody else imports it.
 */
let loading: ReturnType<typeof load> | undefined;

/** The module, initialised. */
export function loadZstd(): ReturnType<typeof load> {
  return loading ??= load();
}

async function load() {
  const zstd = await import("@bokuweb/zstd-wasm");
  await zstd.init();
  return zstd;
}

/** @throws {RangeError} when `level` is not a whole number from 1 to 19. */
async function loadFrameEncoder(level: number): Promise<FrameEncoder> {
  if (!Number.isInteger(level) || level < LEVEL_MIN || level > LEVEL_MAX) {
    throw new RangeError(`A compression level is ${LEVEL_MIN} to ${LEVEL_MAX}, not ${level}`);
  }
  const zstd = await loadZstd();
  const startChecksum = await loadFrameChecksum();
  let sealed = new Uint8Array(0);
  return (content) => {
    const frame = zstd.compress(content, level);
    const sealedBytes = frame.length + CHECKSUM_BYTES;
    if (sealed.length < sealedBytes) sealed = new Uint8Array(sealedBytes);
    sealFrame(frame, content, startChecksum(), sealed.subarray(0, sealedBytes));
    release(frame);
    return sealed.subarray(0, sealedBytes);
  };
}

/**
 * Gives an array's memory back now. The module takes new memory for every result, and left to the collector a
 * log's results pile up to tens of megabytes first.
 */
export function release(array: Uint8Array): void {
  // Moved into an empty buffer, which is then forgotten.
  if (array.buffer instanceof ArrayBuffer) array.buffer.transfer(0);
}

const CHECKSUM_BYTES = 4;

/**
 * This build of zstd writes no checksums, so that `zstd -d` would take damaged frames for good ones. The
 * checksum is a bit in the frame's descriptor and four bytes at its end.
 */
function sealFrame(
  frame: Uint8Array,
  content: Uint8Array,
  checksum: FrameChecksum,
  sealed: Uint8Array<ArrayBuffer>,
): void {
  const header = parseFrameHeader(frame.subarray(0, FRAME_HEADER_BYTES_MAX));
  if (
    typeof header === "string" || header.kind !== "zstd" || header.hasChecksum ||
    header.contentBytes !== content.length
  ) throw new Error("The zstd module wrote a frame that is not as expected");
  sealed.set(frame);
  sealed[DESCRIPTOR_OFFSET] |= CHECKSUM_FLAG;
  checksum.update(content);
  new DataView(sealed.buffer).setUint32(frame.length, checksum.digest(), true);
}

/**
 * The frames for all of `source`, each valid until the next is asked for; one empty frame when there is
 * nothing in it.
 */
export async function* compressStream(
  source: LogBytes,
  level: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const encode = await loadFrameEncoder(level);
  const content = new Uint8Array(FRAME_CONTENT_BYTES_MAX);
  let filled = 0;
  let frames = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(content.length - filled, chunk.length - at);
      content.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < content.length) break;
      yield encode(content);
      frames++;
      filled = 0;
    }
  }
  if (filled > 0 || frames === 0) yield encode(content.subarray(0, filled));
}
