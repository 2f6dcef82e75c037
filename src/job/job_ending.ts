/**
 * How a log tells of a job that did not just end by itself: the words with which its PROCESS_ERROR begins.
 * Whoever finds the log later reads from them what the worker that wrote it would have told the server.
 */

/** The job took longer than it was allowed to. */
export const TIMED_OUT = "Timed out after";

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

/** Whether a PROCESS_ERROR says that the worker failed. */
export function isOurs(errorMessage: string): boolean {
  return errorMessage.startsWith(OURS);
}
