/**
 * Ends what is left of a job whose worker was killed: its processes live on in a session of their own, and
 * would run beside the ones that the job is given when it runs again.
 *
 * What is ended is certainly the job's: the session that the log names, as long as one of its processes has
 * the job's id in its environment. The kernel gives a session's number to nobody else while the session has a
 * member, and another execution of the job has another number.
 */
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { ProcessEntry, Processes } from "../platform/processes.ts";
import type { JobUser } from "./job_user.ts";
import { JOB_ID_VARIABLE, signalGroup } from "./runner/pipe.ts";

export interface LeftoverOptions {
  processes: Processes;
  jobId: string;
  /** From the log's PROCESS_START: the job's first process, after which its session is numbered. */
  pid: number;
  /** As whom jobs run, if not as the worker's user: who may read what its processes were started with. */
  user?: JobUser;
  /** Time between SIGTERM and SIGKILL. */
  killGraceMs: number;
  clock: Clock;
  logger: Logger;
  /** The worker has to end at once; what is left is killed without waiting. */
  stop: AbortSignal;
}

const POLL_MS = 50;
/**
 * How long killed processes may take to go: they do at once, unless a disk or a network file system holds
 * them.
 */
const KILLED_WAIT_MS = 5000;

/** Resolves with whether nothing is left of the job. */
export async function endLeftover(options: LeftoverOptions): Promise<boolean> {
  const { processes, pid, killGraceMs, logger } = options;
  const session = processes.readSession(pid);
  if (!isOurs(session, options)) return true;
  signalGroups(processes, session, "SIGTERM");
  let isGone = await waitUntilGone(options, killGraceMs);
  if (!isGone) {
    signalGroups(processes, processes.readSession(pid), "SIGKILL");
    isGone = await waitUntilGone(options, KILLED_WAIT_MS);
  }
  const fields = { pid, processes: session.length };
  if (isGone) logger.info("Ended what was left of a job that an earlier run had started", fields);
  else {
    logger.warn("Cannot end what is left of a job that an earlier run had started - retrying later", fields);
  }
  return isGone;
}

function isOurs(session: readonly ProcessEntry[], { processes, pid, jobId, user }: LeftoverOptions): boolean {
  // 0 stands for a job that could not be started, and 1 starts everything else.
  if (pid <= 1) return false;
  // A worker that runs within that very job is part of it, and cannot be the one to end it.
  if (session.some((process) => process.pid === processes.ownId)) return false;
  const isMarked = () =>
    session.some((process) => processes.hasVariable(process.pid, JOB_ID_VARIABLE, jobId));
  return isMarked() || (user?.run(isMarked) ?? false);
}

/** All groups of the session: a shell with job control gives each of its children one. */
function signalGroups(
  processes: Processes,
  session: readonly ProcessEntry[],
  signal: "SIGTERM" | "SIGKILL",
): void {
  for (const groupId of new Set(session.map((process) => process.groupId))) {
    signalGroup(processes, groupId, signal);
  }
}

async function waitUntilGone(
  { processes, pid, clock, stop }: LeftoverOptions,
  waitMs: number,
): Promise<boolean> {
  const untilMs = clock.elapsedMs() + waitMs;
  for (;;) {
    if (processes.readSession(pid).length === 0) return true;
    if (stop.aborted || clock.elapsedMs() >= untilMs) return false;
    await clock.sleep(POLL_MS, stop);
  }
}
