/**
 * Logs of any size and in any number, quickly: for tests and benchmarks of what reads them.
 */
import { createEvent, encodeEvent, StreamType } from "../../src/events/event.ts";
import { encodeExecution } from "../../src/wal/execution.ts";
import { encodeHeader, encodeRecord, Status } from "../../src/wal/format.ts";

/** As large as the batches of a chatty job, and what the project's numbers are measured with. */
const PAYLOAD_BYTES = 2048;

function executionRecord(jobId: string): Uint8Array {
  const payload = encodeExecution({
    job_id: jobId,
    execution: 1,
    queue: "default",
    server: "http://127.0.0.1:8080",
    worker: "test",
    version: "0.1.0",
    started_at_ms: 0,
  });
  return encodeRecord({ sequence: 0n, status: Status.SENT, timestampMs: 0n, payload });
}

function outputRecord(sequence: bigint, text: string): Uint8Array {
  const timestampMs = Number(sequence);
  const event = createEvent(sequence, timestampMs, {
    case: "outputBatch",
    value: {
      outputs: [{ output: new TextEncoder().encode(text), streamType: StreamType.STDOUT }],
      startSequence: sequence,
      endSequence: sequence,
      firstTimestampMs: BigInt(timestampMs),
    },
  });
  const record = {
    sequence,
    status: Status.PENDING,
    timestampMs: BigInt(timestampMs),
    payload: encodeEvent(event),
  };
  return encodeRecord(record);
}

/**
 * Writes a log of at least so many bytes, all of whose events are pending. Returns how many events it has.
 */
export function writeLargeLog(path: string, bytesMin: number): number {
  using file = Deno.openSync(path, { write: true, createNew: true });
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    return bytes.length;
  };
  let written = write(encodeHeader()) + write(executionRecord("large"));
  const text = "0123456789abcdef\n".repeat(Math.floor(PAYLOAD_BYTES / 17));
  let events = 0;
  while (written < bytesMin) {
    const records = Array.from({ length: 512 }, () => outputRecord(BigInt(++events), text));
    const group = new Uint8Array(records.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const record of records) {
      group.set(record, at);
      at += record.length;
    }
    written += write(group);
  }
  return events;
}

/**
 * Writes logs of two events, `job-0.wal` and so on, the first of which the server has; every tenth has both.
 */
export function writeManyLogs(directory: string, count: number): void {
  for (let at = 0; at < count; at++) {
    const records = [
      encodeHeader(),
      executionRecord(`job-${at}`),
      outputRecord(1n, "one\n"),
      outputRecord(2n, "two\n"),
      encodeRecord({
        sequence: at % 10 === 0 ? 2n : 1n,
        status: Status.SENT,
        timestampMs: 3n,
        payload: new Uint8Array(),
      }),
    ];
    const bytes = new Uint8Array(records.flatMap((record) => [...record]));
    Deno.writeFileSync(`${directory}/job-${at}.wal`, bytes);
  }
}

/** The most memory that a running process has had resident so far, in bytes. */
export function peakMemoryBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
