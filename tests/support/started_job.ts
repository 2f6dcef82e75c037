/**
 * A job's command under supervision, with a log in memory and without a server.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { decodeEvent, type JobEvent, outputOf, StreamType } from "../../src/events/event.ts";
import { JobParamsSchema, JobSchema } from "../../src/events/gen/job/v1/job_pb.ts";
import { BATCH_LIMITS, type BatchLimits } from "../../src/job/batcher.ts";
import { EventWriter } from "../../src/job/event_writer.ts";
import { executeJob } from "../../src/job/execute_job.ts";
import type { ExecuteOptions, ExecuteSettings } from "../../src/job/execute_options.ts";
import { systemClock } from "../../src/platform/system_clock.ts";
import type { NewEvent } from "../../src/wal/log.ts";
import { payloadBytes } from "./payload_bytes.ts";
import { silentLogger } from "../../src/platform/logging/logger.ts";
import { systemProcesses } from "../../src/platform/system_processes.ts";

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const PATH = Deno.env.get("PATH") ?? "/usr/bin:/bin";

/** A log in memory that checks what a real one would refuse. */
export class MemoryLog {
  readonly path = "memory.wal";
  readonly events: JobEvent[] = [];
  readonly counts = { pending: 0, sent: 0, failed: 0, events: 0, bytes: 0 };
  lastSequence = 0n;
  /** Thrown by the next appends, one each. */
  readonly failures: Error[] = [];
  #watchers: (() => void)[] = [];

  // deno-lint-ignore require-await -- as asynchronous as the real one
  async append({ sequence, payload }: NewEvent): Promise<void> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (sequence <= this.lastSequence) throw new RangeError(`Sequence ${sequence} does not rise`);
    const event = decodeEvent(payloadBytes(payload))!;
    assert.equal(event.sequence, sequence);
    this.events.push(event);
    this.lastSequence = sequence;
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  async has(kind: JobEvent["eventData"]["case"]): Promise<JobEvent> {
    for (;;) {
      const found = this.events.find((event) => event.eventData.case === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  /** Resolves when standard output matches. */
  async hasOutput(pattern: RegExp): Promise<void> {
    while (!pattern.test(text(this.output(StreamType.STDOUT)))) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  get kinds() {
    return this.events.map((event) => event.eventData.case);
  }

  output(stream: StreamType): Uint8Array {
    const pieces = this.events.flatMap((event) => [...outputOf(event)]).filter((piece) =>
      piece.stream === stream
    );
    return new Uint8Array(Buffer.concat(pieces.map((piece) => piece.bytes)));
  }

  get errors(): string[] {
    return this.events.flatMap(({ eventData }) =>
      eventData.case === "processError" ? [eventData.value.errorMessage] : []
    );
  }

  get exitCode(): number | undefined {
    for (const { eventData } of this.events) {
      if (eventData.case === "processEnd") return eventData.value.exitCode;
    }
    return undefined;
  }
}

export type Params = Omit<MessageInitShape<typeof JobParamsSchema>, "$typeName" | "$unknown">;

export interface Setup extends Omit<Partial<ExecuteOptions>, "settings" | "limits"> {
  log?: MemoryLog;
  settings?: Partial<ExecuteSettings>;
  limits?: Partial<BatchLimits>;
}

export function startJob(jobParams: Params, setup: Setup = {}) {
  const log = setup.log ?? new MemoryLog();
  const drain = new AbortController();
  const stop = new AbortController();
  const cancel = new AbortController();
  const clock = setup.clock ?? systemClock;
  const logger = setup.logger ?? silentLogger;
  const writer = new EventWriter({ log, clock, logger, giveUp: stop.signal });
  const result = executeJob({
    job: create(JobSchema, { jobId: "job-1", jobParams }),
    writer,
    environment: { PATH },
    processes: systemProcesses,
    waitForRoom: () => Promise.resolve(),
    clock,
    logger,
    drain: drain.signal,
    stop: stop.signal,
    cancel: cancel.signal,
    ...setup,
    limits: { ...BATCH_LIMITS, flushAfterMs: 2000, ...setup.limits },
    settings: {
      heartbeatIntervalMs: 30_000,
      killGraceMs: 10_000,
      pipeGraceMs: 5000,
      shutdownGraceMs: 20_000,
      ...setup.settings,
    },
  });
  return { log, result, drain, stop, cancel, writer };
}

export const sh = (script: string, more: Partial<Params> = {}): Params => ({
  command: "sh",
  args: ["-c", script],
  ...more,
});
