/**
 * What a sealed log still has to give. It takes no acknowledgement any more, so what was delivered is only
 * known here, for as long as this run lasts; a later run may deliver it again, which a server takes for what
 * it is.
 */
import type { PendingEvent } from "../delivery/sender.ts";
import type { Files } from "../platform/files.ts";
import { Status } from "../wal/format.ts";
import { readLogFile } from "../wal/reader.ts";
import { Scanner } from "../wal/scanner.ts";
import { FileEvents } from "./file_events.ts";

export interface SealedEventsOptions {
  files: Files;
  path: string;
  /** Events that begin before this are settled. */
  fromOffset: number;
  /** What was reported durable; what follows it in the file may never have reached the disk. */
  lastSequence: bigint;
}

export class SealedEvents extends FileEvents {
  constructor(options: SealedEventsOptions) {
    super(durableEvents(options));
  }
}

async function* durableEvents(
  { files, path, fromOffset, lastSequence }: SealedEventsOptions,
): AsyncGenerator<PendingEvent> {
  const scanner = new Scanner();
  for await (const block of readLogFile(files, path)) {
    for (const record of scanner.push(block)) {
      if (record.sequence > lastSequence) return;
      if (record.offset < fromOffset || record.status !== Status.PENDING) continue;
      const { sequence, timestampMs, offset, length } = record;
      // The scanner's bytes are only valid until its next block.
      yield { sequence, timestampMs, offset, length, payload: record.payload.slice() };
    }
  }
}
