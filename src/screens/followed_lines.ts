/**
 * What is to be said once a job's output has been printed, and the exit code for us. Pure.
 */
import type { Followed } from "../client/follow.ts";
import type { JobFacts } from "../client/job_facts.ts";
import { JobState } from "../events/gen/job/v1/job_pb.ts";
import type { SequenceRange } from "../events/sequence_gaps.ts";
import { counted, shellWord, shown } from "../platform/text.ts";
import { ExitCode } from "./exit_code.ts";

/** More of them say no more. */
const RANGES_SHOWN_MAX = 5;

export interface Conclusion {
  readonly lines: readonly string[];
  readonly exitCode: number;
}

/** `isRaw`: what was printed is to be the job's output, byte for byte. */
export function concludeFollowed(followed: Followed, jobId: string, isRaw: boolean): Conclusion {
  const { exitCode, facts, missing, notSent, isOutOfOrder } = followed;
  const lines: string[] = [];
  let ends = exitCode === undefined ? undefined : toOwnExitCode(exitCode);
  if (ends === undefined) {
    const ended = endedWithout(facts);
    lines.push(ended.line);
    ends = ended.exitCode;
  }
  if (isOutOfOrder) {
    lines.push("Some output came after what follows it, and was printed in that order");
    if (isRaw) {
      lines.push("These bytes are not in the job's order; type the command again");
      ends = ExitCode.FAILED;
    }
  }
  if (notSent > 0 && missing.length === 0) {
    lines.push(
      `The server has ${counted(notSent, "event")} more and did not send them; type the command again`,
    );
    ends = ExitCode.FAILED;
  }
  if (missing.length > 0) {
    lines.push(...missingLines(missing, facts, jobId));
    ends = ExitCode.FAILED;
  }
  return { lines, exitCode: ends };
}

/** How a job ended whose events do not say it. */
function endedWithout(facts: JobFacts | undefined): { line: string; exitCode: number } {
  const result = facts?.result;
  const why = result?.errorMessage ? `: ${shown(result.errorMessage)}` : "";
  switch (facts?.state) {
    case JobState.CANCELLED:
      return { line: `The job was cancelled${why}`, exitCode: ExitCode.FAILED };
    case JobState.FAILED:
      return {
        line: result ? `The job failed with exit code ${result.exitCode}${why}` : "The job failed",
        exitCode: toOwnExitCode(result?.exitCode ?? 0) || ExitCode.FAILED,
      };
    default:
      return {
        line: "The job has ended, and its events do not say so: the end of its output may be missing" + why,
        exitCode: ExitCode.FAILED,
      };
  }
}

function missingLines(
  missing: readonly SequenceRange[],
  facts: JobFacts | undefined,
  jobId: string,
): string[] {
  const count = missing.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);
  const ranges = missing.slice(0, RANGES_SHOWN_MAX).map(({ first, last }) =>
    first === last ? `${first}` : `${first} to ${last}`
  );
  const more = missing.length - ranges.length;
  if (more > 0) ranges.push(`and ${more} more ranges`);
  const message = facts?.result?.errorMessage;
  return [
    `${count} of the job's sequences are missing, and some of its output with them:`,
    ranges.join(", "),
    ...message ? [`How the job ended, by its worker: ${shown(message)}`] : [],
    "Type the command again; if they are missing still, send them from the worker's host:",
    `airunner wal replay --failed ${shellWord(jobId)}`,
  ];
}

/** A process can end with 0 to 255 only. A job that failed must not look like one that did not. */
function toOwnExitCode(exitCode: number): number {
  const byte = exitCode & 0xff;
  return byte === 0 && exitCode !== 0 ? ExitCode.FAILED : byte;
}
