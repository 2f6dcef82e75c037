/**
 * How a log tells of a job that did not just end by itself: the words with which its PROCESS_ERROR begins.
 * Whoever finds the log later reads from them what the worker that wrote it would have told the server.
 */

/** The job took longer than it was allowed to. */
export const TIMED_OUT = "Timed out after";

/** Somebody cancelled the job. What follows is why, or nothing. */
export const CANCELLED = "Cancelled";

/**
 * The exit code of a job that was cancelled before its command was started: that of a command which SIGTERM
 * ends, as it would have been a moment later.
 */
export const EXIT_CANCELLED = 143;

/** The worker was stopped, and the job goes back to its queue. */
export const INTERRUPTED = "Interrupted";

/**
 * The worker failed, and not the job: whatever the command did or would have done is not known for certain.
 */
export const OURS = "airunner: ";

/**
 * The exit code of a job that failed because its worker did. A command may give it as well, and then there is
 * no PROCESS_ERROR that begins with `OURS`. It is what other runners of commands (timeout(1), docker run,
 * env(1)) give when they fail themselves.
 */
export const EXIT_OURS = 125;

/** Says in a PROCESS_ERROR that the job was cancelled. `when` tells of one that never ran. */
export function cancelledMessage(reason: unknown, when = ""): string {
  const why = typeof reason === "string" ? reason.trim() : "";
  return `${CANCELLED}${when}${why === "" ? "" : `: ${why}`}`;
}

/** How a worker ends a job before its command does, which makes a failure of whatever its exit code is. */
export type EndedBy = "timeout" | "cancellation";

/** What a PROCESS_ERROR says of that. */
export function endedBy(errorMessage: string): EndedBy | undefined {
  if (errorMessage.startsWith(TIMED_OUT)) return "timeout";
  return errorMessage.startsWith(CANCELLED) ? "cancellation" : undefined;
}

/** Whether a PROCESS_ERROR says that the worker failed. */
export function isOurs(errorMessage: string): boolean {
  return errorMessage.startsWith(OURS);
}
