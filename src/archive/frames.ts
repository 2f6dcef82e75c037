/**
 * The outer shape of zstd data (RFC 8878, section 3.1): where frames begin, what their headers
 * declare, how long the blocks within are, and the skippable frames that carry our summary. Pure; what
 * the blocks hold is the library's business.
 *
 *     zstd frame       magic FD2FB528 | descriptor 1 | window 0-1 | dictionary 0-4 | content size 0-8
 *                      | blocks | checksum 0 or 4
 *     block            header u24: last 1 bit | type 2 bits | size 21 bits | so many bytes, or 1 if repeated
 *     skippable frame  magic 184D2A50 to 184D2A5F | size u32 | that many bytes
 *
 * All numbers are little-endian.
 */

export const FRAME_MAGIC = 0xFD2FB528;
const SKIPPABLE_MAGIC = 0x184D2A50;
const SKIPPABLE_HEADER_BYTES = 8;

/** Enough for any header: 4 magic, 1 descriptor, 1 window, 4 dictionary, 8 content size. */
export const FRAME_HEADER_BYTES_MAX = 18;

/** Where a frame's descriptor lies, and its bit that announces a checksum. */
export const DESCRIPTOR_OFFSET = 4;
export const CHECKSUM_FLAG = 0x04;

export const BLOCK_HEADER_BYTES = 3;
export const BLOCK_BYTES_MAX = 128 * 1024;

/**
 * The largest window that is read. All levels of the zstd program stay below it, unless `--long` or `--ultra
 * -22` is asked for; beyond it the decompression library goes wrong without saying so.
 */
export const WINDOW_BYTES_MAX = 64 * 1024 * 1024;

export interface ZstdFrameHeader {
  kind: "zstd";
  headerBytes: number;
  /** How far back a block may refer. As declared: compare it with `WINDOW_BYTES_MAX` before believing it. */
  windowBytes: number;
  /** What the frame says it decompresses to. A claim to check at its end, never a size to allocate. */
  contentBytes: number | undefined;
  /** Whether four bytes of XXH64 follow the last block. */
  hasChecksum: boolean;
  /** 0 means that no dictionary is needed. */
  dictionaryId: number;
}

export interface SkippableFrameHeader {
  kind: "skippable";
  headerBytes: number;
  /** The last hexadecimal digit of the magic. */
  variant: number;
  contentBytes: number;
}

export type FrameHeader = ZstdFrameHeader | SkippableFrameHeader;

/** `short`: more bytes are needed to tell; `unknown`: no frame begins with these bytes. */
export type HeaderProblem = "short" | "unknown" | "reserved_bit";

/** The header of the frame that begins at the first of `bytes`. */
export function parseFrameHeader(bytes: Uint8Array): FrameHeader | HeaderProblem {
  if (bytes.length < 4) return "short";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0, true);
  if (isSkippableMagic(magic)) {
    if (bytes.length < SKIPPABLE_HEADER_BYTES) return "short";
    return {
      kind: "skippable",
      headerBytes: SKIPPABLE_HEADER_BYTES,
      variant: magic & 15,
      contentBytes: view.getUint32(4, true),
    };
  }
  return magic === FRAME_MAGIC ? parseZstdHeader(view) : "unknown";
}

function parseZstdHeader(view: DataView): ZstdFrameHeader | HeaderProblem {
  if (view.byteLength < 5) return "short";
  const descriptor = view.getUint8(4);
  if (descriptor & 0x08) return "reserved_bit";
  const singleSegment = (descriptor & 0x20) !== 0;
  const windowBytes = singleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3];
  const sizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const headerBytes = 5 + windowBytes + dictionaryBytes + sizeBytes;
  if (view.byteLength < headerBytes) return "short";

  const sizeAt = 5 + windowBytes + dictionaryBytes;
  const contentBytes = readContentSize(view, sizeAt, sizeBytes);
  return {
    kind: "zstd",
    headerBytes,
    windowBytes: singleSegment ? contentBytes! : windowSize(view.getUint8(5)),
    contentBytes,
    hasChecksum: (descriptor & CHECKSUM_FLAG) !== 0,
    dictionaryId: readLittleEndian(view, 5 + windowBytes, dictionaryBytes),
  };
}

export interface BlockHeader {
  last: boolean;
  /** Bytes that follow the header in the archive. */
  storedBytes: number;
}

/** The header in the three bytes from `at`; undefined when no block begins like that. */
export function parseBlockHeader(bytes: Uint8Array, at: number): BlockHeader | undefined {
  const header = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
  const type = (header >> 1) & 3;
  const size = header >> 3;
  if (type === RESERVED_BLOCK || size > BLOCK_BYTES_MAX) return undefined;
  return { last: (header & 1) === 1, storedBytes: type === REPEATED_BLOCK ? 1 : size };
}

const REPEATED_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** The window descriptor: an exponent in the upper five bits and eighths in the lower three. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

function readContentSize(view: DataView, at: number, bytes: number): number | undefined {
  if (bytes === 0) return undefined;
  // Beyond 2^53 the number is not exact, but it is then only ever compared with smaller ones.
  if (bytes === 8) return Number(view.getBigUint64(at, true));
  // The two-byte form counts from 256, since the one-byte form reaches that far.
  return readLittleEndian(view, at, bytes) + (bytes === 2 ? 256 : 0);
}

function readLittleEndian(view: DataView, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + view.getUint8(at + i);
  return value;
}

function isSkippableMagic(magic: number): boolean {
  return ((magic ^ SKIPPABLE_MAGIC) >>> 4) === 0;
}

/** Whether data that begins with these bytes (4 are enough) is zstd data. */
export function startsLikeZstd(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  const magic = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return magic === FRAME_MAGIC || isSkippableMagic(magic);
}

/** A frame that every zstd reader steps over. RangeError when `variant` is not 0 to 15. */
export function encodeSkippableFrame(variant: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(variant) || variant < 0 || variant > 15) {
    throw new RangeError(`A skippable frame's variant is 0 to 15, not ${variant}`);
  }
  const frame = new Uint8Array(SKIPPABLE_HEADER_BYTES + content.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, SKIPPABLE_MAGIC + variant, true);
  view.setUint32(4, content.length, true);
  frame.set(content, SKIPPABLE_HEADER_BYTES);
  return frame;
}
