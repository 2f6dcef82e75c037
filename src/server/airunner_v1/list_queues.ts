/**
 * Every queue there is: those that have jobs, and those before which somebody waits.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ListQueuesResponseSchema, QueueSchema } from "../../events/gen/airunner/v1/airunner_pb.ts";
import type { JobQueue } from "../job_queue.ts";
import type { Store, StoredQueue } from "../store/contract.ts";
import { timestampOf } from "./job_summary.ts";
import type { Watches } from "./watches.ts";

/** A message of 5 MB with names of the longest kind. Whoever has more makes one for each job. */
const QUEUES_MAX = 10_000;

interface ListQueuesOptions {
  store: Pick<Store, "jobs">;
  queue: Pick<JobQueue, "waitingByQueue">;
  watches: Watches;
}

export async function listQueues(
  { store: { jobs }, queue, watches }: ListQueuesOptions,
): Promise<MessageInitShape<typeof ListQueuesResponseSchema>> {
  const stored = new Map((await jobs.queues()).map((one) => [one.queue, one]));
  const waiting = queue.waitingByQueue();
  const workers = workersByQueue(watches);
  const names = new Set([...stored.keys(), ...waiting.keys(), ...workers.keys()]);
  if (names.size > QUEUES_MAX) {
    throw new ConnectError(
      `There are ${names.size} queues, and at most ${QUEUES_MAX} are listed. Delete jobs of queues that are no ` +
        `longer used, or list jobs instead`,
      Code.ResourceExhausted,
    );
  }
  const queues = [...names].sort().map((name) =>
    queueMessage(name, stored.get(name), workers.get(name) ?? 0, waiting.get(name) ?? 0)
  );
  return { queues };
}

function workersByQueue(watches: Watches): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { registration: { worker: { queue } } } of watches.latest()) {
    counts.set(queue, (counts.get(queue) ?? 0) + 1);
  }
  return counts;
}

function queueMessage(
  name: string,
  stored: StoredQueue | undefined,
  workers: number,
  waiting: number,
): MessageInitShape<typeof QueueSchema> {
  return {
    name,
    scheduled: BigInt(stored?.scheduled ?? 0),
    running: BigInt(stored?.running ?? 0),
    ended: BigInt(stored?.ended ?? 0),
    oldestScheduledAt: timestampOf(stored?.oldestScheduledAtMs),
    workers,
    waiting,
    eventBytes: BigInt(stored?.eventBytes ?? 0),
  };
}
