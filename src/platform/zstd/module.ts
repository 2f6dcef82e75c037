/**
 * zstd in WebAssembly: works everywhere, on this thread. The module is loaded on first use: commands that
 * compress nothing do not pay for it.
 */
import type { FrameDecoder, FrameEncoder, ZstdEngine } from "./engine.ts";
import { loadFrameChecksum, type StartChecksum } from "./frame_checksum.ts";

/** Where a frame's descriptor lies, and its bit that announces a checksum (RFC 8878, section 3.1.1). */
const DESCRIPTOR_OFFSET = 4;
const CHECKSUM_FLAG = 0x04;
const CHECKSUM_BYTES = 4;

/**
 * The module must be initialised once in a process: a second time it mixes two memories, and what it writes
 * is garbage. So nobody else imports it.
 */
let loading: Promise<ZstdEngine> | undefined;

export function loadZstdModule(): Promise<ZstdEngine> {
  return loading ??= load();
}

type Zstd = typeof import("@bokuweb/zstd-wasm");

async function load(): Promise<ZstdEngine> {
  const zstd = await import("@bokuweb/zstd-wasm");
  await zstd.init();
  const startChecksum = await loadFrameChecksum();
  return {
    startEncoder: (level) => new ModuleEncoder(zstd, startChecksum, level),
    startDecoder: () => new ModuleDecoder(zstd, startChecksum),
  };
}

class ModuleEncoder implements FrameEncoder {
  readonly #frames = [new Uint8Array(0), new Uint8Array(0)];
  #made = 0;

  constructor(readonly zstd: Zstd, readonly startChecksum: StartChecksum, readonly level: number) {}

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async encode(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const frame = this.zstd.compress(content, this.level);
    const sealedBytes = frame.length + CHECKSUM_BYTES;
    const turn = this.#made++ % this.#frames.length;
    if (this.#frames[turn].length < sealedBytes) this.#frames[turn] = new Uint8Array(sealedBytes);
    const sealed = this.#frames[turn].subarray(0, sealedBytes);
    this.#seal(frame, content, sealed);
    release(frame);
    return sealed;
  }

  /**
   * This build of zstd writes no checksums, so that `zstd -d` would take damaged frames for good ones. The
   * checksum is a bit in the frame's descriptor and four bytes at its end.
   */
  #seal(frame: Uint8Array, content: Uint8Array, sealed: Uint8Array<ArrayBuffer>): void {
    if ((frame[DESCRIPTOR_OFFSET] & CHECKSUM_FLAG) !== 0) {
      throw new Error("The zstd module wrote a frame that is not as expected");
    }
    sealed.set(frame);
    sealed[DESCRIPTOR_OFFSET] |= CHECKSUM_FLAG;
    const checksum = this.startChecksum();
    checksum.update(content);
    const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.length);
    view.setUint32(frame.length, checksum.digest(), true);
  }

  close(): void {}
}

class ModuleDecoder implements FrameDecoder {
  #content = new Uint8Array(0);

  constructor(readonly zstd: Zstd, readonly startChecksum: StartChecksum) {}

  // deno-lint-ignore require-await -- callers handle a rejection, never a throw
  async decode(
    frame: Uint8Array<ArrayBuffer>,
    contentBytes: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    this.close();
    try {
      this.#content = this.zstd.decompress(frame, {
        defaultHeapSize: Math.max(1, contentBytes),
      }) as Uint8Array<ArrayBuffer>;
    } catch {
      // The module's errors do not say where; whoever looks block by block meets the same damage.
      return undefined;
    }
    if (this.#content.length !== contentBytes) return undefined;
    const checksum = this.startChecksum();
    checksum.update(this.#content);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const stored = view.getUint32(frame.length - CHECKSUM_BYTES, true);
    return checksum.digest() === stored ? this.#content : undefined;
  }

  close(): void {
    release(this.#content);
    this.#content = new Uint8Array(0);
  }
}

/**
 * Gives an array's memory back now. The module takes new memory for every result, and left to the collector a
 * log's results pile up to tens of megabytes first.
 */
function release(array: Uint8Array): void {
  // Moved into an empty buffer, which is then forgotten.
  if (array.buffer instanceof ArrayBuffer) array.buffer.transfer(0);
}
