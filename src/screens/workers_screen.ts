/**
 * The table of `airunner workers`, and its JSON form. Pure.
 */
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ConnectedWorker } from "../events/gen/airunner/v1/airunner_pb.ts";
import { cut, formatAge, formatNext, formatTable, type Style } from "../platform/text.ts";

/** With all the other columns they are 80 wide. */
const NAME_CHARACTERS_MAX = 20;
const QUEUE_CHARACTERS_MAX = 14;
const VERSION_CHARACTERS_MAX = 8;

export function renderWorkers(workers: readonly ConnectedWorker[], nowMs: number, style: Style): string {
  if (workers.length === 0) {
    return "No worker was connected in the last day; workers of other implementations do not register\n" +
      formatNext([["airunner worker --server=URL", "starts one"]], style);
  }
  const columns = [
    { title: "WORKER" },
    { title: "QUEUE" },
    { title: "STATE" },
    { title: "HEARD OF" },
    { title: "JOBS", align: "right" as const },
    { title: "VERSION" },
  ];
  const rows = workers.map(({ worker, isConnected, lastSeenAt, jobIds }) => [
    cut(worker?.name ?? "", NAME_CHARACTERS_MAX),
    cut(worker?.queue ?? "", QUEUE_CHARACTERS_MAX),
    isConnected ? "connected" : "away",
    lastSeenAt === undefined ? "" : formatAge(timestampMs(lastSeenAt), nowMs),
    `${jobIds.length}/${worker?.concurrency ?? 0}`,
    cut(worker?.version ?? "", VERSION_CHARACTERS_MAX),
  ]);
  return formatTable(columns, rows, style);
}

export function workersDocument(workers: readonly ConnectedWorker[]) {
  const ms = (time: Timestamp | undefined) => time === undefined ? null : timestampMs(time);
  return {
    schema_version: 1,
    workers: workers.map(({ worker, isConnected, connectedAt, lastSeenAt, jobIds }) => ({
      id: worker?.id ?? "",
      name: worker?.name ?? "",
      version: worker?.version ?? "",
      queue: worker?.queue ?? "",
      concurrency: worker?.concurrency ?? 0,
      is_connected: isConnected,
      connected_at_ms: ms(connectedAt),
      last_seen_at_ms: ms(lastSeenAt),
      job_ids: jobIds,
    })),
  };
}
