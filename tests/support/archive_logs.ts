/**
 * Logs and small tools for the tests of this directory.
 */
import "./loaded_zstd.ts";
import { strictEqual } from "node:assert/strict";
import { type CompletionMark, completionRecord } from "../../src/wal/completion.ts";
import { encodeExecution } from "../../src/wal/execution.ts";
import { encodeHeader, encodeRecord, Status } from "../../src/wal/format.ts";
import type { LogBytes } from "../../src/wal/reader.ts";

export const TOKEN = "secret-token-of-this-task";

export interface TestLog {
  jobId?: string;
  events?: number;
  /** How many of the events are acknowledged. All, unless said otherwise. */
  acknowledged?: number;
  /** The last event was given up. */
  failLast?: boolean;
  execution?: boolean;
  /** How the job's end was settled, when it was. */
  completion?: CompletionMark;
  payloadBytes?: number;
  firstMs?: number;
}

/** A log as the worker writes it, event n at `firstMs + n`. */
export function buildLog(
  {
    jobId = "job-1",
    events = 5,
    acknowledged,
    failLast,
    execution = true,
    completion,
    payloadBytes = 100,
    firstMs = 1000,
  }: TestLog = {},
): Uint8Array {
  const parts: Uint8Array[] = [encodeHeader()];
  const add = (sequence: number, status: number, timestampMs: number, payload: Uint8Array) =>
    parts.push(
      encodeRecord({ sequence: BigInt(sequence), status, timestampMs: BigInt(timestampMs), payload }),
    );
  if (execution) {
    const record = {
      job_id: jobId,
      execution: 3,
      queue: "default",
      server: "http://127.0.0.1:1",
      task_token: TOKEN,
      worker: "w",
      version: "1",
      started_at_ms: firstMs,
    };
    add(0, Status.SENT, firstMs, encodeExecution(record));
  }
  for (let n = 1; n <= events; n++) add(n, Status.PENDING, firstMs + n, noise(payloadBytes, n));
  if (failLast) {
    add(events, Status.FAILED, firstMs, new TextEncoder().encode('{"code":"x","message":"y","attempts":1}'));
  }
  const sent = acknowledged ?? (failLast ? events - 1 : events);
  if (sent > 0) add(sent, Status.SENT, firstMs, new Uint8Array(0));
  if (completion !== undefined) parts.push(encodeRecord(completionRecord(completion, BigInt(firstMs))));
  return concat(parts);
}

/** Bytes that compress about as well as a job's output does. Always the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Every now and then something from before comes again.
    bytes[i] = i > 200 && (state >>> 28) < 12 ? bytes[i - 1 - (i >>> 3) % 190] : 32 + (state >>> 26);
  }
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** All of it at once; for what is known to be small. */
export async function collect(bytes: LogBytes): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of bytes) parts.push(chunk.slice());
  return concat(parts);
}

/** What came before an error, and the error. */
export async function collectUntilError(bytes: LogBytes): Promise<{ bytes: Uint8Array; error: unknown }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const chunk of bytes) parts.push(chunk.slice());
    return { bytes: concat(parts), error: undefined };
  } catch (error) {
    return { bytes: concat(parts), error };
  }
}

/** As deepStrictEqual, which takes seconds for megabytes. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, message = "bytes"): void {
  strictEqual(actual.length, expected.length, `${message}: length`);
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at++;
  strictEqual(at, actual.length, `${message}: the first difference is at ${at}`);
}

/** `bytes` in pieces of `size`. */
export async function* inPieces(bytes: Uint8Array, size = 65536): LogBytes {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

export async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await body(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Runs the zstd program. */
export async function runZstd(
  args: string[],
  input: Uint8Array = new Uint8Array(0),
): Promise<{ code: number; stdout: Uint8Array; stderr: string }> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("zstd", { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  } catch (error) {
    throw new Error("This test needs the zstd program: apt-get install zstd", { cause: error });
  }
  const writing = (async () => {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  })();
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), writing]);
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}
