/**
 * Bytes to zstd frames that any zstd reader takes, in bounded memory.
 */
import type { LogBytes } from "../wal/reader.ts";
import { loadZstd } from "../platform/zstd/zstd.ts";

/**
 * A frame holds this much at most, and so much memory archiving takes. Frames of 4 MiB are not smaller for a
 * job's output, but where WebAssembly makes them they hold up everything else in the process four times as
 * long: 26 ms against 6 ms each.
 */
export const FRAME_CONTENT_BYTES_MAX = 1024 * 1024;

const LEVEL_MIN = 1;
/** Levels 20 to 22 gain nothing on frames of this size and take hundreds of megabytes. */
const LEVEL_MAX = 19;

/**
 * The frames for all of `source`, each valid until the next is asked for; one empty frame when there is
 * nothing in it.
 */
export async function* compressStream(
  source: LogBytes,
  level: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (!Number.isInteger(level) || level < LEVEL_MIN || level > LEVEL_MAX) {
    throw new RangeError(`A compression level is ${LEVEL_MIN} to ${LEVEL_MAX}, not ${level}`);
  }
  const encoder = (await loadZstd()).startEncoder(level, FRAME_CONTENT_BYTES_MAX);
  let underWay: Promise<Uint8Array<ArrayBuffer>> | undefined;
  try {
    for await (const content of inFrames(source)) {
      const frame = await underWay;
      underWay = encoder.encode(content);
      // Its failure is told when its turn has come, and not as one that nobody awaits.
      underWay.catch(() => {});
      // While this one is written, the next is in the making.
      if (frame !== undefined) yield frame;
    }
    yield await (underWay ?? encoder.encode(new Uint8Array(0)));
    underWay = undefined;
  } finally {
    // Whoever stops early need not hear of a frame that nobody wants; its memory must not be taken from it.
    await underWay?.catch(() => {});
    encoder.close();
  }
}

/**
 * The source in stretches of a frame's content, the last one shorter. Each is valid until the second next.
 */
async function* inFrames(source: LogBytes): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let content = new Uint8Array(FRAME_CONTENT_BYTES_MAX);
  let other: Uint8Array<ArrayBuffer> | undefined;
  let filled = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const taken = Math.min(content.length - filled, chunk.length - at);
      content.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < content.length) break;
      yield content;
      [content, other] = [other ?? new Uint8Array(FRAME_CONTENT_BYTES_MAX), content];
      filled = 0;
    }
  }
  if (filled > 0) yield content.subarray(0, filled);
}
