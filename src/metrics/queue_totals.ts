/**
 * Queues as labels of a metric. Whoever may submit makes queues, and a label must not have endless values: so
 * the largest have their own, and all others are one. Pure.
 */
import type { StoredQueue } from "../server/store/contract.ts";

const QUEUES_MAX = 50;

export interface QueueTotals {
  /** Empty: all others together. */
  queue: string;
  jobs: number;
  eventBytes: number;
}

export function limitQueues(queues: readonly StoredQueue[]): QueueTotals[] {
  const totals = queues.map(({ queue, scheduled, running, ended, eventBytes }) => ({
    queue,
    jobs: scheduled + running + ended,
    eventBytes,
  })).sort((a, b) => b.eventBytes - a.eventBytes || b.jobs - a.jobs);
  const others = totals.slice(QUEUES_MAX);
  if (others.length === 0) return totals;
  const sum = (value: (queue: QueueTotals) => number) =>
    others.reduce((total, queue) => total + value(queue), 0);
  return [
    ...totals.slice(0, QUEUES_MAX),
    { queue: "", jobs: sum(({ jobs }) => jobs), eventBytes: sum(({ eventBytes }) => eventBytes) },
  ];
}
