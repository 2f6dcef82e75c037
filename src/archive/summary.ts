/**
 * The summary at the head of an archive: JSON in a skippable frame, so that listing, statistics and
 * retention never decompress anything.
 *
 * It guards itself: the last field is the CRC-64 of all JSON before it. A frame is taken for a summary if
 * either its first or its last bytes are those of one, so that no single damaged bit can pass it off as
 * somebody else's frame that may be ignored.
 */
import { openRegularFile } from "../platform/regular_file.ts";
import type { Files } from "../platform/files.ts";
import { COMPLETION_MARKS, type CompletionState } from "../wal/completion.ts";
import { crc64 } from "../platform/checksum/crc64.ts";
import { encodeSkippableFrame, FRAME_HEADER_BYTES_MAX, parseFrameHeader } from "./frames.ts";

/** 184D2A5A; other programs use 0 (pzstd) and E (seekable archives). */
export const SUMMARY_VARIANT = 0xA;

/** A frame larger than this is no summary of ours: an id has 128 characters and the rest are numbers. */
export const SUMMARY_BYTES_MAX = 4096;

export interface ArchiveSummary {
  schema_version: 1;
  job_id: string;
  /** Missing when the log had no execution record. */
  execution?: number;
  /** Events that were archived; of these, `pending` and `failed` are not known to be on the server. */
  events: number;
  pending: number;
  failed: number;
  /**
   * Earliest and latest time of an event, Unix milliseconds; missing when there are none that fit a number.
   */
  first_ms?: number;
  last_ms?: number;
  /** Of the bytes that decompression yields: how many, and their CRC-64/NVME in 16 hexadecimal digits. */
  raw_bytes: number;
  raw_crc64: string;
  /** Whether the job had ended, and how, if whoever archived it knew. */
  ended?: boolean;
  exit_code?: number;
  /** Whether the server has the result of a job that ended. Missing when it had not, or when nobody knows. */
  completion?: CompletionState;
}

const FIRST_BYTES = '{"schema_version":1,"job_id":';
const LAST_BYTES = /,"summary_crc64":"[0-9a-f]{16}"\}$/;

/** The skippable frame that holds `summary`. */
export function encodeSummary(summary: ArchiveSummary): Uint8Array<ArrayBuffer> {
  const { schema_version, job_id, ...rest } = summary;
  // The order is part of the format: readers know a summary by how it begins and ends.
  const json = JSON.stringify({ schema_version, job_id, ...rest }).slice(0, -1);
  const checksum = formatCrc64(crc64(new TextEncoder().encode(json)));
  const content = new TextEncoder().encode(`${json},"summary_crc64":"${checksum}"}`);
  if (content.length > SUMMARY_BYTES_MAX) throw new RangeError("An archive's summary is too long");
  return encodeSkippableFrame(SUMMARY_VARIANT, content);
}

/** Undefined: some other program's frame. */
export function decodeSummary(variant: number, content: Uint8Array): ArchiveSummary | "damaged" | undefined {
  // One character per byte, so that positions in the text are positions in the bytes.
  const text = Array.from(content, (byte) => String.fromCharCode(byte)).join("");
  const end = text.search(LAST_BYTES);
  if (!text.startsWith(FIRST_BYTES) && end < 0) return undefined;
  if (variant !== SUMMARY_VARIANT || end < 0) return "damaged";
  const expected = text.slice(-18, -2);
  if (formatCrc64(crc64(content.subarray(0, end))) !== expected) return "damaged";
  return parseSummary(content);
}

/** The checksum was right, so what is not as expected is not damage: a newer version wrote it. */
function parseSummary(content: Uint8Array): ArchiveSummary | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(content));
    return isSummary(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const COMPLETION_STATES: readonly string[] = [...COMPLETION_MARKS, "due"];

function isSummary(value: unknown): value is ArchiveSummary {
  if (typeof value !== "object" || value === null) return false;
  const field = value as Record<string, unknown>;
  const isCount = (name: string) => Number.isSafeInteger(field[name]) && (field[name] as number) >= 0;
  const isOptional = (name: string) => field[name] === undefined || Number.isSafeInteger(field[name]);
  return field.schema_version === 1 && typeof field.job_id === "string" &&
    ["events", "pending", "failed", "raw_bytes"].every(isCount) &&
    ["execution", "first_ms", "last_ms", "exit_code"].every(isOptional) &&
    (field.ended === undefined || typeof field.ended === "boolean") &&
    (field.completion === undefined || COMPLETION_STATES.includes(field.completion as string)) &&
    typeof field.raw_crc64 === "string" && /^[0-9a-f]{16}$/.test(field.raw_crc64);
}

/** 16 hexadecimal digits. */
export function formatCrc64(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}

/**
 * The summary of the archive at `path`, from its first bytes alone. Undefined when there is none to rely on:
 * then the archive was made by another program, or is damaged, and only reading it tells more.
 */
export async function readSummary(files: Files, path: string): Promise<ArchiveSummary | undefined> {
  using file = await openRegularFile(files, path);
  const bytes = new Uint8Array(FRAME_HEADER_BYTES_MAX + SUMMARY_BYTES_MAX);
  let filled = 0;
  for (let count; filled < bytes.length && (count = await file.read(bytes.subarray(filled))) > 0;) {
    filled += count;
  }
  const header = parseFrameHeader(bytes.subarray(0, filled));
  if (typeof header === "string" || header.kind !== "skippable") return undefined;
  const end = header.headerBytes + header.contentBytes;
  if (end > filled || header.contentBytes > SUMMARY_BYTES_MAX) return undefined;
  const summary = decodeSummary(header.variant, bytes.subarray(header.headerBytes, end));
  return summary === "damaged" ? undefined : summary;
}
