/**
 * How a worker is, for those who watch it.
 */
import type { DiskBudget } from "./disk_budget.ts";
import type { WorkerState } from "./job_context.ts";
import type { OutstandingCompletions } from "./outstanding.ts";

export function workerState(
  jobsRunning: () => number,
  drain: AbortSignal,
  budget: DiskBudget,
  outstanding: OutstandingCompletions,
): WorkerState {
  return {
    get jobsRunning() {
      return jobsRunning();
    },
    get isStopping() {
      return drain.aborted;
    },
    get completionsOutstanding() {
      return outstanding.size;
    },
    lackOfRoom: () => budget.lack(),
  };
}
