/**
 * Logs for tests of the commands that read them, and a data directory to put them into.
 */
import assert from "node:assert/strict";
import { systemFiles } from "../../src/platform/system_files.ts";
import { archiveLog } from "../../src/archive/archiver.ts";
import { createEvent, encodeEvent, StreamType } from "../../src/events/event.ts";
import { silentLogger } from "../../src/platform/logging/logger.ts";
import { encodeExecution, encodeFailure, type Execution } from "../../src/wal/execution.ts";
import { encodeHeader, encodeRecord, Status } from "../../src/wal/format.ts";
import { type MemoryOptions, runInMemory, type RunResult, TEST_NOW_MS } from "./memory_context.ts";

/** Half an hour before the clock of a memory context stands still. */
export const STARTED_MS = TEST_NOW_MS - 1_800_000;

export const TOKEN = "SECRET-TOKEN";

export function execution(jobId: string, number = 1): Execution {
  return {
    job_id: jobId,
    execution: number,
    queue: "default",
    server: "http://127.0.0.1:8080",
    task_token: TOKEN,
    worker: "host-1",
    version: "0.1.0",
    started_at_ms: STARTED_MS,
  };
}

/** Puts a log together, record by record; each is a second after the one before it. */
export class LogBuilder {
  readonly #parts: Uint8Array[] = [encodeHeader()];
  #sequence = 0n;

  constructor(jobId: string | undefined, number = 1, more: Partial<Execution> = {}) {
    if (jobId === undefined) return;
    this.#add(0n, Status.SENT, encodeExecution({ ...execution(jobId, number), ...more }));
  }

  get nextSequence(): bigint {
    return this.#sequence + 1n;
  }

  start(): this {
    return this.event({ case: "processStart", value: { pid: 7 } });
  }

  output(text: string | Uint8Array, streamType = StreamType.STDOUT): this {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    return this.batch([[bytes, streamType]]);
  }

  batch(items: [bytes: Uint8Array, streamType: StreamType][]): this {
    const sequence = this.nextSequence;
    return this.event({
      case: "outputBatch",
      value: {
        outputs: items.map(([output, streamType], at) => ({ output, streamType, timestampDeltaMs: at })),
        startSequence: sequence,
        endSequence: sequence,
        firstTimestampMs: BigInt(this.#timeMs(sequence)),
      },
    });
  }

  end(exitCode = 0): this {
    return this.event({ case: "processEnd", value: { pid: 7, exitCode } });
  }

  event(data: Parameters<typeof createEvent>[2], status: number = Status.PENDING): this {
    const sequence = ++this.#sequence;
    return this.#add(sequence, status, encodeEvent(createEvent(sequence, this.#timeMs(sequence), data)));
  }

  /** Leaves a gap, as damage does that was recovered from. */
  gap(count = 1): this {
    this.#sequence += BigInt(count);
    return this;
  }

  undecodable(): this {
    return this.#add(++this.#sequence, Status.PENDING, new Uint8Array([0xff, 0xff]));
  }

  acknowledge(sequence = this.#sequence): this {
    return this.#add(sequence, Status.SENT, new Uint8Array());
  }

  fail(sequence = this.#sequence, message = "no \u001b[2J thanks"): this {
    const failure = encodeFailure({ code: "invalid_argument", message, attempts: 5 });
    return this.#add(sequence, Status.FAILED, failure);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#parts.flatMap((part) => [...part]));
  }

  /** Without its last bytes. */
  torn(count = 5): Uint8Array<ArrayBuffer> {
    return this.bytes().slice(0, -count);
  }

  /** With one wrong bit in the record with this number, counted from 0. */
  flipped(record: number): Uint8Array<ArrayBuffer> {
    const bytes = this.bytes();
    const offset = this.#parts.slice(0, record + 1).reduce((sum, { length }) => sum + length, 0);
    bytes[offset + 24] ^= 1;
    return bytes;
  }

  #timeMs(sequence: bigint): number {
    return STARTED_MS + Number(sequence) * 1000;
  }

  #add(sequence: bigint, status: number, payload: Uint8Array): this {
    const timestampMs = BigInt(this.#timeMs(sequence));
    this.#parts.push(encodeRecord({ sequence, status, timestampMs, payload }));
    return this;
  }
}

/** A data directory with these files, by path in it. */
export class TestData implements Disposable {
  readonly directory = Deno.makeTempDirSync();

  constructor(files: Record<string, Uint8Array> = {}) {
    for (const name of ["wal", "archive"]) Deno.mkdirSync(`${this.directory}/${name}`);
    for (const [path, bytes] of Object.entries(files)) this.write(path, bytes);
  }

  path(path: string): string {
    return `${this.directory}/${path}`;
  }

  /** As if it had been written when its job started. */
  write(path: string, bytes: Uint8Array): void {
    Deno.writeFileSync(this.path(path), bytes);
    Deno.utimeSync(this.path(path), STARTED_MS / 1000, STARTED_MS / 1000);
  }

  /** Archives a log of the directory, as a worker does. Returns the archive's path in it. */
  async archive(path: string): Promise<string> {
    const archiveDir = this.path("archive");
    const request = {
      files: systemFiles,
      logPath: this.path(path),
      archiveDir,
      level: 3,
      logger: silentLogger,
    };
    const result = await archiveLog(request);
    assert.equal(result.outcome, "archived");
    return `archive/${path.slice(path.lastIndexOf("/") + 1)}.zst`;
  }

  /** Runs a command line in which DATA stands for the directory; what it prints says /data instead. */
  async run(args: string[], options: MemoryOptions = {}): Promise<RunResult> {
    const line = [...args.map((arg) => arg.replace("DATA", this.directory)), `--data-dir=${this.directory}`];
    const result = await runInMemory(line, options);
    const hide = (text: string) => text.replaceAll(this.directory, "/data");
    return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr) };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/**
 * Compares with tests/testdata/screens/NAME. `UPDATE_SCREENS=ls.txt,stats.txt` writes these, and only these:
 * a screen that changed without anybody meaning it to has to fail, whoever else is updating theirs.
 */
export function assertScreen(name: string, actual: string): void {
  const path = new URL(`../../tests/testdata/screens/${name}`, import.meta.url).pathname;
  const updated = (Deno.env.get("UPDATE_SCREENS") ?? "").split(",");
  if (updated.includes(name)) Deno.writeTextFileSync(path, actual);
  assert.equal(actual, Deno.readTextFileSync(path));
}
