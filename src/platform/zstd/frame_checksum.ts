/**
 * The checksum at the end of a zstd frame: the low four bytes of XXH64 over its content (RFC 8878, section
 * 3.1.1).
 */
import xxhash, { type XXHash } from "xxhash-wasm";

export class FrameChecksum {
  readonly #hash: XXHash<bigint>;

  constructor(hash: XXHash<bigint>) {
    this.#hash = hash;
  }

  update(content: Uint8Array): void {
    this.#hash.update(content);
  }

  digest(): number {
    return Number(this.#hash.digest() & 0xffff_ffffn);
  }
}

let loading: ReturnType<typeof xxhash> | undefined;

/** Starts a checksum. */
export type StartChecksum = () => FrameChecksum;

/** Loads the WebAssembly module once, and gives what starts a checksum. */
export async function loadFrameChecksum(): Promise<StartChecksum> {
  const { create64 } = await (loading ??= xxhash());
  return () => new FrameChecksum(create64());
}
