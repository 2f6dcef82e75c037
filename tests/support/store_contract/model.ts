/**
 * A store as it is meant to be, in the simplest possible terms: what the real ones are held against.
 */
import { JobState } from "../../../src/events/gen/job/v1/job_pb.ts";
import { VISIBILITY_MS } from "./fixture.ts";

export interface ModelExecution {
  number: number;
  logId: string | undefined;
  /** Undefined: not running any more. */
  expiresAtMs: number | undefined;
  outcome: "requeued" | "completed" | "cancelled" | undefined;
  sequences: Set<number>;
}

export interface ModelJob {
  jobId: string;
  state: JobState;
  isAdopted: boolean;
  isCancelled: boolean;
  executions: ModelExecution[];
}

export class ModelStore {
  /** In the order in which they came. */
  jobs: ModelJob[] = [];
  nowMs: number;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  enqueue(jobId: string): void {
    this.jobs.push({
      jobId,
      state: JobState.SCHEDULED,
      isAdopted: false,
      isCancelled: false,
      executions: [],
    });
  }

  dequeue(): { jobId: string; execution: number } | undefined {
    const job = this.jobs.find(({ state }) => state === JobState.SCHEDULED);
    if (!job) return undefined;
    const number = (job.executions.at(-1)?.number ?? 0) + 1;
    job.executions.push(this.#begin(number, undefined));
    job.state = JobState.RUNNING;
    return { jobId: job.jobId, execution: number };
  }

  expire(): string[] {
    const expired: string[] = [];
    for (const job of this.jobs) {
      for (const execution of job.executions) {
        if (execution.expiresAtMs === undefined || execution.expiresAtMs > this.nowMs) continue;
        expired.push(`${job.jobId} ${execution.number}`);
        this.#endUnfinished(job, execution);
      }
    }
    return expired;
  }

  extend(jobId: string, number: number): string {
    return this.#changeLatest(jobId, number, (_, execution) => {
      if (execution.expiresAtMs === undefined) return "ended";
      execution.expiresAtMs = this.nowMs + VISIBILITY_MS;
      return "done";
    });
  }

  complete(jobId: string, number: number, isSuccess: boolean): string {
    return this.#changeLatest(jobId, number, (job, execution) => {
      if (execution.outcome === "completed") return "repeated";
      execution.outcome = "completed";
      execution.expiresAtMs = undefined;
      job.state = isSuccess ? JobState.COMPLETED : job.isCancelled ? JobState.CANCELLED : JobState.FAILED;
      return "done";
    });
  }

  /** `expiresAtMs`: as the claim has it. */
  release(jobId: string, number: number, expiresAtMs: number): boolean {
    const job = this.find(jobId);
    const execution = job?.executions.find((execution) => execution.number === number);
    if (execution?.expiresAtMs !== expiresAtMs || execution.sequences.size > 0) return false;
    this.#endUnfinished(job!, execution);
    return true;
  }

  cancel(jobId: string): string {
    const job = this.find(jobId);
    if (!job) return "unknown";
    if (job.state !== JobState.SCHEDULED && job.state !== JobState.RUNNING) return "ended";
    job.isCancelled = true;
    if (job.state === JobState.RUNNING) return "requested";
    job.state = JobState.CANCELLED;
    return "cancelled";
  }

  delete(jobId: string): string {
    const job = this.find(jobId);
    if (!job) return "unknown";
    if (job.state === JobState.SCHEDULED || job.state === JobState.RUNNING) return "not_ended";
    this.jobs = this.jobs.filter((other) => other !== job);
    return "done";
  }

  adopt(jobId: string, number: number, logId: string): string {
    const job = this.find(jobId);
    const own = job?.executions.find((execution) => execution.number === number);
    if (own?.logId === logId) {
      if (own.outcome !== "completed" && own === job!.executions.at(-1)) {
        own.outcome = undefined;
        own.expiresAtMs = this.nowMs + VISIBILITY_MS;
        job!.state = JobState.RUNNING;
      }
      return "repeated";
    }
    const isInTheWay = ({ expiresAtMs, sequences, outcome }: ModelExecution) =>
      expiresAtMs !== undefined || sequences.size > 0 || outcome === "completed";
    if (own || job?.executions.some(isInTheWay)) return "refused";
    const adopting = job ??
      { jobId, isAdopted: true, isCancelled: false, executions: [], state: JobState.RUNNING };
    if (!job) this.jobs.push(adopting);
    adopting.executions.push(this.#begin(number, logId));
    adopting.executions.sort((a, b) => a.number - b.number);
    adopting.state = JobState.RUNNING;
    return "new";
  }

  /** Returns how many were new; undefined for an execution that is not there. */
  append(jobId: string, number: number, sequence: number): number | undefined {
    const execution = this.find(jobId)?.executions.find((execution) => execution.number === number);
    if (!execution) return undefined;
    const isNew = !execution.sequences.has(sequence);
    execution.sequences.add(sequence);
    return isNew ? 1 : 0;
  }

  find(jobId: string): ModelJob | undefined {
    return this.jobs.find((job) => job.jobId === jobId);
  }

  #begin(number: number, logId: string | undefined): ModelExecution {
    const expiresAtMs = this.nowMs + VISIBILITY_MS;
    return { number, logId, expiresAtMs, outcome: undefined, sequences: new Set() };
  }

  #endUnfinished(job: ModelJob, execution: ModelExecution): void {
    execution.expiresAtMs = undefined;
    execution.outcome = job.isCancelled ? "cancelled" : "requeued";
    job.state = job.isCancelled ? JobState.CANCELLED : job.isAdopted ? JobState.FAILED : JobState.SCHEDULED;
  }

  #changeLatest(
    jobId: string,
    number: number,
    change: (job: ModelJob, execution: ModelExecution) => string,
  ): string {
    const job = this.find(jobId);
    const latest = job?.executions.at(-1);
    if (!job || !latest || number > latest.number) return "unknown";
    return number < latest.number ? "superseded" : change(job, latest);
  }
}
