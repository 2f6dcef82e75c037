/**
 * How far a job got, and how it ended, as its log tells it to whoever finds it.
 */
import type { JobEvent } from "../events/event.ts";
import type { Execution } from "../wal/execution.ts";
import type { JobEnd } from "./complete_job.ts";
import { type EndedBy, endedBy, EXIT_OURS, isOurs, OURS } from "./job_ending.ts";

/** What a log's events say about how far its job got. */
export class Story {
  #firstError: string | undefined;
  /** That the worker failed explains more than what was recorded before. */
  #workersError: string | undefined;
  #endedBy: EndedBy | undefined;
  #startedAtMs: number | undefined;
  #pid: number | undefined;
  #end: { exitCode: number; endedAtMs: number } | undefined;
  #lastAtMs = 0;

  add(event: JobEvent): void {
    const { eventData, timestamp } = event;
    const atMs = timestamp === undefined ? 0 : Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6;
    this.#startedAtMs ??= atMs;
    this.#lastAtMs = atMs;
    if (eventData.case === "processStart") {
      this.#pid = eventData.value.pid;
    } else if (eventData.case === "processError") {
      const { errorMessage } = eventData.value;
      this.#firstError ??= errorMessage;
      if (isOurs(errorMessage)) this.#workersError ??= errorMessage;
      this.#endedBy ??= endedBy(errorMessage);
    } else if (eventData.case === "processEnd") {
      this.#end = { exitCode: eventData.value.exitCode, endedAtMs: atMs };
    }
  }

  /** The process that was started, if one was. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Undefined when the job had not ended. */
  get end(): JobEnd | undefined {
    if (this.#end === undefined) return undefined;
    const startedAtMs = this.#startedAtMs ?? this.#end.endedAtMs;
    const errorMessage = this.#workersError ?? this.#firstError;
    return { ...this.#end, startedAtMs, errorMessage, endedBy: this.#endedBy };
  }

  /** When the job began; undefined when there is no event. */
  get startedAtMs(): number | undefined {
    return this.#startedAtMs;
  }

  /**
   * How a job ends that had not ended when its worker did, and that nobody can run again: the server which
   * had all of its parameters has lost it, and the log has only its command; or nobody ever submitted it.
   */
  abandonedEnd(source: Execution["source"]): JobEnd {
    const why = source === "exec"
      ? "exec itself was ended before the command, so that how the command ended is not known, and what it " +
        "printed later is not recorded"
      : "the worker ended before the job did, and the server that had the job has lost it, so that it is not run again";
    return {
      exitCode: EXIT_OURS,
      errorMessage: `${OURS}${why}`,
      endedBy: undefined,
      startedAtMs: this.#startedAtMs ?? 0,
      endedAtMs: this.#lastAtMs,
    };
  }
}
