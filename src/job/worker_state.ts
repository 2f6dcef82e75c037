/**
 * How a worker is, for those who watch it.
 */
import type { DiskBudget } from "./disk_budget.ts";
import type { WorkerState } from "./job_context.ts";

export function workerState(jobsRunning: () => number, drain: AbortSignal, budget: DiskBudget): WorkerState {
  return {
    get jobsRunning() {
      return jobsRunning();
    },
    get isStopping() {
      return drain.aborted;
    },
    lackOfRoom: () => budget.lack(),
  };
}
