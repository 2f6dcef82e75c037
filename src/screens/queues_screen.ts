/**
 * The table of `airunner queues`, and its JSON form. Pure.
 */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Queue } from "../events/gen/airunner/v1/airunner_pb.ts";
import {
  cut,
  formatBytes,
  formatCount,
  formatNext,
  formatSpan,
  formatTable,
  type Style,
} from "../platform/text.ts";

/** With all the other columns it is 80 wide. */
const NAME_CHARACTERS_MAX = 20;

export function renderQueues(queues: readonly Queue[], nowMs: number, style: Style): string {
  if (queues.length === 0) {
    return "No queue has a job, and no worker waits\n" +
      formatNext([["airunner submit --server=URL -- CMD ARGS…", "puts a job into one"]], style);
  }
  const right = { align: "right" } as const;
  const columns = [
    { title: "QUEUE" },
    { title: "SCHEDULED", ...right },
    { title: "OLDEST", ...right },
    { title: "RUNNING", ...right },
    { title: "ENDED", ...right },
    { title: "WORKERS", ...right },
    { title: "OUTPUT", ...right },
  ];
  const rows = queues.map((queue) => [
    cut(queue.name, NAME_CHARACTERS_MAX),
    formatCount(queue.scheduled),
    queue.oldestScheduledAt === undefined ? "" : formatSpan(nowMs - timestampMs(queue.oldestScheduledAt)),
    formatCount(queue.running),
    formatCount(queue.ended),
    // One that does not register is known by its open call alone.
    formatCount(Math.max(queue.workers, queue.waiting)),
    formatBytes(Number(queue.eventBytes)),
  ]);
  return formatTable(columns, rows, style);
}

export function queuesDocument(queues: readonly Queue[]) {
  return {
    schema_version: 1,
    queues: queues.map((queue) => ({
      name: queue.name,
      scheduled: Number(queue.scheduled),
      running: Number(queue.running),
      ended: Number(queue.ended),
      oldest_scheduled_at_ms: queue.oldestScheduledAt === undefined
        ? null
        : timestampMs(queue.oldestScheduledAt),
      workers: queue.workers,
      waiting: queue.waiting,
      event_bytes: Number(queue.eventBytes),
    })),
  };
}
