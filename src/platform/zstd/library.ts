/**
 * The system's zstd library, where there is one: three times as fast as WebAssembly, and on another thread,
 * so that the log takes appends while a frame is made. Almost every Linux has it, because its package manager
 * does. What it makes is read back and compared by whoever keeps it.
 */
import { type FrameDecoder, type FrameEncoder, type ZstdEngine, ZstdEngineError } from "./engine.ts";

const NAME = "libzstd.so.1";
/** 1.4.0: the first with these calls as stable ones. */
const VERSION_MIN = 10400;

const COMPRESSION_LEVEL = 100;
const CONTENT_SIZE_FLAG = 200;
const CHECKSUM_FLAG = 201;

const FRAME_CALL = {
  parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
  result: "usize",
  nonblocking: true,
} as const;

const SYMBOLS = {
  ZSTD_versionNumber: { parameters: [], result: "u32" },
  ZSTD_isError: { parameters: ["usize"], result: "u32" },
  ZSTD_compressBound: { parameters: ["usize"], result: "usize" },
  ZSTD_createCCtx: { parameters: [], result: "pointer" },
  ZSTD_freeCCtx: { parameters: ["pointer"], result: "usize" },
  ZSTD_CCtx_setParameter: { parameters: ["pointer", "i32", "i32"], result: "usize" },
  ZSTD_compress2: FRAME_CALL,
  ZSTD_createDCtx: { parameters: [], result: "pointer" },
  ZSTD_freeDCtx: { parameters: ["pointer"], result: "usize" },
  ZSTD_decompressDCtx: FRAME_CALL,
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Undefined where there is no such library, or one that is too old. */
export function openZstdLibrary(): ZstdEngine | undefined {
  let library: Library;
  try {
    library = Deno.dlopen(NAME, SYMBOLS).symbols;
  } catch {
    // WebAssembly does the same work.
    return undefined;
  }
  if (library.ZSTD_versionNumber() < VERSION_MIN) return undefined;
  return {
    startEncoder: (level, contentBytesMax) => new LibraryEncoder(library, level, contentBytesMax),
    startDecoder: () => new LibraryDecoder(library),
  };
}

class LibraryEncoder implements FrameEncoder {
  readonly #library: Library;
  readonly #context: Deno.PointerValue;
  /** They take turns. */
  readonly #frames: readonly Uint8Array<ArrayBuffer>[];
  #made = 0;
  /** What the other thread looks at stays referenced, or it might be collected under its hands. */
  #content: Uint8Array | undefined;

  constructor(library: Library, level: number, contentBytesMax: number) {
    this.#library = library;
    const frameBytesMax = Number(library.ZSTD_compressBound(BigInt(contentBytesMax)));
    this.#frames = [new Uint8Array(frameBytesMax), new Uint8Array(frameBytesMax)];
    this.#context = library.ZSTD_createCCtx();
    if (this.#context === null) throw new ZstdEngineError("Cannot compress: there is no memory for it");
    for (
      const [parameter, value] of [[COMPRESSION_LEVEL, level], [CONTENT_SIZE_FLAG, 1], [CHECKSUM_FLAG, 1]]
    ) {
      const result = library.ZSTD_CCtx_setParameter(this.#context, parameter, value);
      if (library.ZSTD_isError(result)) {
        this.close();
        throw new ZstdEngineError(`Cannot compress: ${NAME} does not take parameter ${parameter}`);
      }
    }
  }

  async encode(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const library = this.#library;
    const frame = this.#frames[this.#made++ % this.#frames.length];
    this.#content = content;
    const result = await library.ZSTD_compress2(
      this.#context,
      frame,
      BigInt(frame.length),
      content,
      BigInt(content.length),
    );
    this.#content = undefined;
    if (library.ZSTD_isError(result)) {
      throw new ZstdEngineError(`Cannot compress: ${NAME} failed with ${describe(result)}`);
    }
    return frame.subarray(0, Number(result));
  }

  close(): void {
    this.#library.ZSTD_freeCCtx(this.#context);
  }
}

class LibraryDecoder implements FrameDecoder {
  readonly #library: Library;
  readonly #context: Deno.PointerValue;
  #content = new Uint8Array(0);
  #frame: Uint8Array | undefined;

  constructor(library: Library) {
    this.#library = library;
    this.#context = library.ZSTD_createDCtx();
    if (this.#context === null) throw new ZstdEngineError("Cannot decompress: there is no memory for it");
  }

  async decode(
    frame: Uint8Array<ArrayBuffer>,
    contentBytes: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#content.length < contentBytes) this.#content = new Uint8Array(contentBytes);
    this.#frame = frame;
    // It compares the checksum as well; more than there is room for is an error.
    const result = await this.#library.ZSTD_decompressDCtx(
      this.#context,
      this.#content,
      BigInt(contentBytes),
      frame,
      BigInt(frame.length),
    );
    this.#frame = undefined;
    if (this.#library.ZSTD_isError(result) || Number(result) !== contentBytes) return undefined;
    return this.#content.subarray(0, contentBytes);
  }

  close(): void {
    this.#library.ZSTD_freeDCtx(this.#context);
  }
}

/** Errors are small negative numbers in an unsigned one. */
function describe(result: bigint): string {
  return `error ${-BigInt.asIntN(64, result)}`;
}
