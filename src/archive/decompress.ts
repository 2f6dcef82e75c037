/**
 * zstd data to bytes, from any source, in bounded memory and without believing what it declares: frames after
 * each other, skippable frames anywhere, with or without sizes and checksums. The library that decompresses
 * trusts its input; sizes, checksums and what our own summary says are checked here on the way.
 */
import { ArchiveDamagedError, ArchiveUnsupportedError } from "./archive_errors.ts";
import { Decompress } from "fzstd";
import { Crc64 } from "../platform/checksum/crc64.ts";
import type { LogBytes } from "../wal/reader.ts";
import { type FrameChecksum, loadFrameChecksum } from "../platform/zstd/frame_checksum.ts";
import {
  BLOCK_HEADER_BYTES,
  CHECKSUM_FLAG,
  DESCRIPTOR_OFFSET,
  FRAME_HEADER_BYTES_MAX,
  parseBlockHeader,
  parseFrameHeader,
  type SkippableFrameHeader,
  WINDOW_BYTES_MAX,
  type ZstdFrameHeader,
} from "./frames.ts";
import { InputBuffer } from "./input_buffer.ts";
import { type ArchiveSummary, decodeSummary, formatCrc64, SUMMARY_BYTES_MAX } from "./summary.ts";
import { WholeFrameDecoder } from "./whole_frame.ts";

/**
 * What `source` decompresses to; each chunk is at most 1 MiB and valid until the next is asked for. `path`
 * is for errors only.
 * @throws {ArchiveDamagedError} after everything before the damage was yielded
 * @throws {ArchiveUnsupportedError} for windows over 64 MiB and for dictionaries
 */
export async function* decompressStream(source: AsyncIterable<Uint8Array>, path = "-"): LogBytes {
  const input = new InputBuffer(source);
  const decompression = new Decompression(input, path);
  try {
    yield* decompression.run();
  } finally {
    decompression.close();
    await input.close();
  }
}

/** What a summary promises of the bytes from there to the next summary or the end. */
interface Promised {
  summary: ArchiveSummary;
  summaryOffset: number;
  bytes: number;
  checksum: Crc64;
}

class Decompression {
  #promised: Promised | undefined;
  // Damage that does not keep the rest from being read. It is reported at the end.
  #deferred: ArchiveDamagedError | undefined;
  readonly #wholeFrames = new WholeFrameDecoder();

  constructor(readonly input: InputBuffer, readonly path: string) {}

  async *run(): LogBytes {
    while (await this.input.fill(1)) {
      await this.input.fill(FRAME_HEADER_BYTES_MAX);
      const header = parseFrameHeader(this.input.bytes.subarray(this.input.start, this.input.end));
      if (header === "short") throw this.#damaged("the file ends within a frame's header");
      if (header === "unknown") throw this.#damaged("no zstd frame begins here");
      if (header === "reserved_bit") throw this.#damaged("a frame's header has a reserved bit set");
      if (header.kind === "skippable") await this.#skipFrame(header);
      else yield* this.#decodeFrame(header);
    }
    this.#keepPromise();
    if (this.#deferred !== undefined) throw this.#deferred;
  }

  close(): void {
    this.#wholeFrames.close();
  }

  async #skipFrame(header: SkippableFrameHeader): Promise<void> {
    const { input } = this;
    const offset = input.offset;
    const frameBytes = header.headerBytes + header.contentBytes;
    if (header.contentBytes <= SUMMARY_BYTES_MAX && await input.fill(frameBytes)) {
      const from = input.start + header.headerBytes;
      const summary = decodeSummary(header.variant, input.bytes.subarray(from, from + header.contentBytes));
      if (summary === "damaged") {
        this.#deferred ??= new ArchiveDamagedError(this.path, offset, "its summary is not what was written");
      } else if (summary !== undefined) {
        this.#keepPromise();
        this.#promised = { summary, summaryOffset: offset, bytes: 0, checksum: new Crc64() };
      }
    }
    if (!(await input.skip(frameBytes))) throw this.#damaged("the file ends within a skippable frame");
  }

  async *#decodeFrame(header: ZstdFrameHeader): LogBytes {
    const { input } = this;
    const frameOffset = input.offset;
    if (header.windowBytes > WINDOW_BYTES_MAX) {
      const mebibytes = Math.ceil(header.windowBytes / 1024 / 1024);
      throw this.#unsupported(`it needs a window of ${mebibytes} MiB, and at most 64 MiB are read`);
    }
    if (header.dictionaryId !== 0) throw this.#unsupported(`it needs dictionary ${header.dictionaryId}`);
    const whole = await this.#wholeFrames.take(input, header);
    if (whole !== undefined) {
      this.#account(whole);
      yield whole;
      return;
    }
    const frame = new FrameDecoder(input.take(header.headerBytes));
    const checksum = header.hasChecksum ? (await loadFrameChecksum())() : undefined;
    let contentBytes = 0;
    for (let last = false; !last;) {
      const block = await this.#decodeBlock(frame);
      last = block.last;
      for (const content of block.contents) {
        contentBytes += content.length;
        if (header.contentBytes !== undefined && contentBytes > header.contentBytes) {
          throw this.#damaged("a frame holds more than it declares");
        }
        checksum?.update(content);
        this.#account(content);
        yield content;
      }
    }
    if (header.contentBytes !== undefined && contentBytes !== header.contentBytes) {
      throw new ArchiveDamagedError(this.path, frameOffset, "a frame holds less than it declares");
    }
    if (checksum !== undefined) await this.#compareChecksum(checksum, frameOffset);
  }

  async #decodeBlock(frame: FrameDecoder): Promise<{ last: boolean; contents: Uint8Array[] }> {
    const { input } = this;
    const isCut = async (bytes: number) => !(await input.fill(bytes));
    if (await isCut(BLOCK_HEADER_BYTES)) throw this.#damaged("the file ends within a frame");
    const header = parseBlockHeader(input.bytes, input.start);
    if (header === undefined) throw this.#damaged("a block's header is impossible");
    const blockBytes = BLOCK_HEADER_BYTES + header.storedBytes;
    if (await isCut(blockBytes)) throw this.#damaged("the file ends within a frame");
    const blockOffset = input.offset;
    try {
      return { last: header.last, contents: frame.decode(input.take(blockBytes), header.last) };
    } catch (cause) {
      // Whatever the library throws, it is the bytes that made it do so.
      throw new ArchiveDamagedError(this.path, blockOffset, "a block cannot be decompressed", { cause });
    }
  }

  async #compareChecksum(checksum: FrameChecksum, frameOffset: number): Promise<void> {
    const { input } = this;
    if (!(await input.fill(4))) throw this.#damaged("the file ends within a frame's checksum");
    const stored = new DataView(input.bytes.buffer).getUint32(input.start, true);
    if (stored !== checksum.digest()) {
      throw new ArchiveDamagedError(this.path, frameOffset, "a frame's content does not match its checksum");
    }
    input.consume(4);
  }

  #account(content: Uint8Array): void {
    if (this.#promised === undefined) return;
    this.#promised.bytes += content.length;
    this.#promised.checksum.update(content);
  }

  #keepPromise(): void {
    if (this.#promised === undefined) return;
    const { summary, summaryOffset, bytes, checksum } = this.#promised;
    this.#promised = undefined;
    if (bytes === summary.raw_bytes && formatCrc64(checksum.digest()) === summary.raw_crc64) return;
    this.#deferred ??= new ArchiveDamagedError(
      this.path,
      summaryOffset,
      `its summary promises ${summary.raw_bytes} bytes with CRC-64 ${summary.raw_crc64}, ` +
        `and there are ${bytes} with ${formatCrc64(checksum.digest())}`,
    );
  }

  #damaged(reason: string, options?: ErrorOptions): ArchiveDamagedError {
    return new ArchiveDamagedError(this.path, this.input.offset, reason, options);
  }

  #unsupported(reason: string): ArchiveUnsupportedError {
    return new ArchiveUnsupportedError(this.path, this.input.offset, reason);
  }
}

/**
 * One frame, decompressed block by block by the library. Each frame gets a library object of its own, so that
 * where frames begin and what is between them stays in our hands.
 */
class FrameDecoder {
  #contents: Uint8Array[] = [];
  readonly #library = new Decompress((content) => {
    if (content.length > 0) this.#contents.push(content);
  });

  constructor(header: Uint8Array) {
    // The library steps over a checksum without looking at it. Ours is the one that is compared.
    header[DESCRIPTOR_OFFSET] &= ~CHECKSUM_FLAG;
    this.#library.push(header);
  }

  /**
   * What the whole block, header included, adds to the content. The library may hold back what came first.
   */
  decode(block: Uint8Array, last: boolean): Uint8Array[] {
    this.#contents = [];
    this.#library.push(block, last);
    return this.#contents;
  }
}
