/**
 * What a replay says of each log that it was asked to send.
 */
import { shown } from "../platform/text.ts";
import type { PlannedReplay } from "./plan.ts";

/** What became of one log. */
export interface Replayed {
  readonly plan: PlannedReplay;
  readonly end:
    | "sent"
    | "nothing"
    | "differs"
    | "refused"
    | "unreachable"
    | "authentication"
    | "interrupted"
    | "failed"
    | "obstacle";
  readonly sent: number;
  readonly duplicates: number;
  readonly gaveUp: number;
  /** Why it was not all sent. */
  readonly reason: string | undefined;
  /** What became of the end of a job that had ended: `outstanding` is still to be told to the server. */
  readonly completion: "completed" | "superseded" | "outstanding" | undefined;
  readonly archivePath: string | undefined;
  /** The server made the job and the execution anew from the log, and was sent all of it. */
  readonly isAdopted: boolean;
  /** Where the log lies now, when it is not where it was found. */
  readonly logPath: string | undefined;
}

/** The job, or the file's name where nobody knows the job. */
export function nameOf({ target, execution }: PlannedReplay): string {
  return shown(execution?.job_id ?? target.jobId ?? target.path);
}
