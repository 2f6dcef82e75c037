/**
 * A job's command as an operating system process: started in a session and process group of its own,
 * so that ending the job ends everything it started.
 *
 * The command is one program with arguments and is run directly, never by a shell: what a job asks for
 * is what runs, whatever characters are in it. A job that wants a shell says so (`sh`, `-c`, `…`).
 *
 * The environment is the worker's without its `AIRUNNER_…` variables (they configure the worker and may hold
 * secrets), then `CI=true`, then the job's own variables, then `AIRUNNER_JOB_ID`. Where jobs have a user of
 * their own, the worker's has been fitted to it (`job_user.ts`).
 */
import { messageOf } from "../../platform/error_text.ts";
import type { ChildProcess, GroupSignal, Processes } from "../../platform/processes.ts";
import { NotFound, PermissionDenied } from "../../platform/system_errors.ts";
import type { JobUser } from "../job_user.ts";

export interface ProcessSpec {
  command: string;
  args: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** Empty: the worker's own. Relative: seen from there. */
  workingDirectory: string;
  /** As whom it runs. Undefined: as the worker's user. */
  user?: JobUser;
}

export interface RunningProcess extends ChildProcess {
  /** Sends a signal to every process of the group. That none is left is no error. */
  signalGroup(signal: GroupSignal): void;
}

/** Shells' exit codes for a command that could not be started. */
const EXIT_NOT_FOUND = 127;
export const EXIT_CANNOT_RUN = 126;
/** 128 + SIGKILL. */
export const EXIT_KILLED = 137;

/**
 * The command cannot be started, here or anywhere like here, because of what it is; nothing of it has run.
 */
export class SpawnError extends Error {
  override name = "SpawnError";
  constructor(message: string, readonly exitCode: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** This worker cannot start a process now, whatever the command is; nothing of it has run. */
export class CannotSpawnError extends Error {
  override name = "CannotSpawnError";
}

/**
 * The errors by which the system says that the command, or its working directory, is not one that can be
 * used: it is missing, no file, no directory, not for us, no program, or too long. Every other error, such as
 * EMFILE, ENOMEM, EAGAIN or EIO, may be this machine's at this moment, and a job must not fail for that.
 */
const COMMANDS_OWN_ERRORS = new Set([
  "ENOENT",
  "ENOTDIR",
  "EISDIR",
  "EACCES",
  "EPERM",
  "ELOOP",
  "ENAMETOOLONG",
  "ENOEXEC",
  "ELIBBAD",
  "EINVAL",
  "ETXTBSY",
  "E2BIG",
]);

/** What to look at, for errors that come of a limit. */
const WHAT_HELPS: Readonly<Record<string, string>> = {
  EMFILE: "The worker has as many files open as it may: raise its limit (LimitNOFILE, ulimit -n)",
  ENFILE: "The machine has as many files open as it may: raise fs.file-max, or find out who has them open",
  ENOMEM: "There is too little memory: run fewer jobs at a time with --concurrency, or give it more",
  EAGAIN: "There are as many processes as there may be: raise the limit (TasksMax, ulimit -u)",
};

/**
 * Variables of the worker that no job gets to see: its settings, and how it speaks with its service manager.
 */
const WORKER_VARIABLES = /^(AIRUNNER_|NOTIFY_SOCKET$|WATCHDOG_(PID|USEC)$)/;

/** What every process of a job can be told by, unless it has cleared its environment. */
export const JOB_ID_VARIABLE = "AIRUNNER_JOB_ID";

export function jobEnvironment(
  workers: Readonly<Record<string, string>>,
  jobs: Readonly<Record<string, string>>,
  jobId: string,
): Record<string, string> {
  const inherited = Object.entries(workers).filter(([name]) => !WORKER_VARIABLES.test(name));
  return { ...Object.fromEntries(inherited), CI: "true", ...jobs, [JOB_ID_VARIABLE]: jobId };
}

/**
 * Starts the command.
 * @throws {SpawnError} when it cannot be started because of what it is, {CannotSpawnError} for any other
 * reason
 */
// deno-lint-ignore require-await -- callers handle a rejection, never a throw
export async function spawnProcess(processes: Processes, spec: ProcessSpec): Promise<RunningProcess> {
  checkCommand(spec);
  checkWorkingDirectory(processes, spec);
  let child: ChildProcess;
  try {
    child = processes.spawn({ ...spec, user: spec.user });
  } catch (error) {
    throw spawnFailure(spec, error);
  }
  return { ...child, signalGroup: (signal) => signalGroup(processes, child.pid, signal) };
}

/**
 * The group outlives its leader for as long as it has members, and its number is not given to another
 * process while it does; a caller stops signalling soon after the leader's end, so that a number that
 * became free is not met again.
 */
export function signalGroup(processes: Processes, pid: number, signal: GroupSignal): void {
  try {
    processes.signalGroup(pid, signal);
  } catch (error) {
    // ESRCH: every process of the group is gone, which is what was wanted.
    if (!(error instanceof NotFound)) throw error;
  }
}

function checkCommand(spec: ProcessSpec): void {
  if (spec.command === "") throw new SpawnError("The job names no command", EXIT_CANNOT_RUN);
  for (const part of [spec.command, ...spec.args]) {
    if (part.includes("\0")) {
      throw new SpawnError("The command holds a NUL character, which no argument can", EXIT_CANNOT_RUN);
    }
  }
  for (const [name, value] of Object.entries(spec.environment)) {
    if (name === "" || /[=\0]/.test(name) || value.includes("\0")) {
      throw new SpawnError(
        `The environment variable ${JSON.stringify(name)} cannot be set: a name must not be empty or hold ` +
          "'=', and neither name nor value may hold a NUL character",
        EXIT_CANNOT_RUN,
      );
    }
  }
}

/** Checked first: the error of a spawn does not tell a missing directory from a missing program. */
function checkWorkingDirectory(processes: Processes, spec: ProcessSpec): void {
  const { workingDirectory: path, user } = spec;
  if (path === "") return;
  const closed = () =>
    `${user === undefined ? "the worker's user" : `the user ${user.account.name}`} does not get there`;
  let problem: string | undefined;
  let cause: unknown;
  try {
    const use = processes.examineDirectory(path, user);
    if (use === "no_directory") problem = "it is not a directory";
    else if (use === "closed") problem = closed();
  } catch (error) {
    if (!isCommandsOwn(error)) throw cannotSpawn(error);
    cause = error;
    if (error instanceof NotFound) problem = "it does not exist";
    else problem = error instanceof PermissionDenied ? closed() : messageOf(error);
  }
  if (problem === undefined) return;
  const message = `Cannot use the working directory ${JSON.stringify(path)}: ${problem}`;
  throw new SpawnError(message, EXIT_CANNOT_RUN, { cause });
}

/** By the system's name for it, which the runtime passes on; what has none was not the system's answer. */
function isCommandsOwn(error: unknown): boolean {
  return error instanceof Error && "code" in error && COMMANDS_OWN_ERRORS.has(String(error.code));
}

function cannotSpawn(error: unknown): CannotSpawnError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const help = WHAT_HELPS[code];
  const message = `Cannot start processes: ${messageOf(error)}${help === undefined ? "" : `. ${help}`}`;
  return new CannotSpawnError(message, { cause: error });
}

/** Whose fault it is that a process could not be started. Exported for its test. */
export function spawnFailure(
  spec: Pick<ProcessSpec, "command" | "args">,
  error: unknown,
): SpawnError | CannotSpawnError {
  if (!isCommandsOwn(error)) return cannotSpawn(error);
  const name = JSON.stringify(spec.command);
  if (error instanceof NotFound) {
    const hint = spec.args.length === 0 && /\s/.test(spec.command)
      ? "; the whole text is taken as one program's name, so put arguments into args, or run sh with -c"
      : "";
    return new SpawnError(`Command not found: ${name}${hint}`, EXIT_NOT_FOUND, { cause: error });
  }
  if (error instanceof PermissionDenied) {
    return new SpawnError(
      `Cannot run ${name}: permission denied; is it an executable file?`,
      EXIT_CANNOT_RUN,
      {
        cause: error,
      },
    );
  }
  return new SpawnError(`Cannot run ${name}: ${messageOf(error)}`, EXIT_CANNOT_RUN, { cause: error });
}
