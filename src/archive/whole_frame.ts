/**
 * The quick way through frames such as ours: small, and with size and checksum declared. A frame is
 * decompressed in one go by the engine that makes them. Block by block, the other library takes new memory
 * for each block and for each frame's window, faster than it is collected: tens of megabytes for a large log.
 */
import type { FrameDecoder } from "../platform/zstd/engine.ts";
import { loadZstd } from "../platform/zstd/zstd.ts";
import { FRAME_CONTENT_BYTES_MAX } from "./compress.ts";
import { BLOCK_HEADER_BYTES, parseBlockHeader, type ZstdFrameHeader } from "./frames.ts";
import { INPUT_BYTES_MAX, type InputBuffer } from "./input_buffer.ts";

const CHECKSUM_BYTES = 4;

export class WholeFrameDecoder {
  #decoder: FrameDecoder | undefined;

  /**
   * Takes the frame that begins at the input's start and gives its content, which is valid until the next
   * call. Undefined, with the input where it was, when the frame is of another kind or is damaged in whatever
   * way: block by block it shows in which.
   */
  async take(input: InputBuffer, header: ZstdFrameHeader): Promise<Uint8Array | undefined> {
    const { contentBytes, hasChecksum } = header;
    if (!hasChecksum || contentBytes === undefined || contentBytes > FRAME_CONTENT_BYTES_MAX) {
      return undefined;
    }
    const frameBytes = await measureFrame(input, header.headerBytes);
    if (frameBytes === undefined) return undefined;
    const frame = input.bytes.subarray(input.start, input.start + frameBytes);
    this.#decoder ??= (await loadZstd()).startDecoder();
    const content = await this.#decoder.decode(frame, contentBytes);
    if (content !== undefined) input.consume(frameBytes);
    return content;
  }

  /** Gives back the memory of the last content. */
  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }
}

/**
 * Buffers the whole frame, checksum included, and gives its length; undefined when it is cut off, impossible
 * or too long.
 */
async function measureFrame(input: InputBuffer, headerBytes: number): Promise<number | undefined> {
  let bytes = headerBytes;
  for (let last = false; !last;) {
    if (bytes + BLOCK_HEADER_BYTES > INPUT_BYTES_MAX || !(await input.fill(bytes + BLOCK_HEADER_BYTES))) {
      return undefined;
    }
    const block = parseBlockHeader(input.bytes, input.start + bytes);
    if (block === undefined) return undefined;
    last = block.last;
    bytes += BLOCK_HEADER_BYTES + block.storedBytes;
  }
  bytes += CHECKSUM_BYTES;
  return bytes <= INPUT_BYTES_MAX && await input.fill(bytes) ? bytes : undefined;
}
