/**
 * What makes and reads zstd frames, as a contract: the system's library on another thread, or the program's
 * own WebAssembly. Both make frames that declare their content's size and carry its checksum, and both read
 * each other's. They touch nothing but the processor.
 */

/** Makes frames, one at a time. */
export interface FrameEncoder {
  /**
   * One frame. `content` must not change until this settles; the frame is valid until the second next one is
   * made, so that one can be written while the next is in the making.
   */
  encode(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Gives its memory back. Nothing may be under way. */
  close(): void;
}

/** Reads frames, one at a time. */
export interface FrameDecoder {
  /**
   * The content of a whole frame that declares a checksum, valid until the next is asked for; undefined when
   * it is not a right frame with exactly `contentBytes` in it.
   */
  decode(frame: Uint8Array<ArrayBuffer>, contentBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Gives its memory back. Nothing may be under way. */
  close(): void;
}

export interface ZstdEngine {
  /** `contentBytesMax`: what `encode` is given at most. `level`: zstd's, 1 to 19. */
  startEncoder(level: number, contentBytesMax: number): FrameEncoder;
  startDecoder(): FrameDecoder;
}

/** An engine's own failure, such as for want of memory. What it was given may be right. */
export class ZstdEngineError extends Error {
  override name = "ZstdEngineError";
}
