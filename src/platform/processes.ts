/**
 * Processes of this machine as the rest of the program sees them: a seam for starting, signalling and finding
 * them. The real ones are in `system_processes.ts`. What a method is refused with is one of
 * `system_errors.ts`, or an error with the system's `code`.
 */

/** Another user, as whom something is done for the length of one synchronous call; see `acting_user.ts`. */
export interface OtherUser {
  readonly account: { readonly uid: number };
  run<T>(action: () => T): T;
}

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Empty: our own. Relative: seen from there. */
  readonly workingDirectory: string;
  /** As whom it runs. Undefined: as our own user. */
  readonly user: OtherUser | undefined;
  /** Whether it reads our own standard input, instead of an empty one. */
  readonly readsOurInput?: boolean;
}

/** Signals that a group of processes is sent, or that are passed on to it. */
export type GroupSignal = "SIGTERM" | "SIGKILL" | PassedSignal;
export type PassedSignal = (typeof PASSED_SIGNALS)[number];
export const PASSED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

export interface ProcessExit {
  /** What the process gave, or 128 + N when signal N killed it, as a shell has it. */
  exitCode: number;
  signal: string | undefined;
}

/** A process in a session and a group of its own. */
export interface ChildProcess {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Resolves when the process itself has ended; children that it left may still run and hold its pipes. */
  readonly exited: Promise<ProcessExit>;
}

/** One living process: where it belongs, by the numbers of its group's and its session's first process. */
export interface ProcessEntry {
  pid: number;
  groupId: number;
  sessionId: number;
}

/** `closed`: the user does not get there. */
export type DirectoryUse = "usable" | "no_directory" | "closed";

export interface ProcessUsage {
  readonly residentBytes: number;
  readonly processorSeconds: number;
  /** Unix seconds. */
  readonly startedAtSeconds: number;
}

export interface Processes {
  readonly ownId: number;
  /** What this process itself uses. */
  usage(): ProcessUsage;
  spawn(options: SpawnOptions): ChildProcess;
  /**
   * Starts this very program once more, in a session of its own and without input or output, to go on after
   * us: nobody waits for it, and no pipe of ours is kept open by it.
   */
  startBehind(args: readonly string[]): void;
  /** Whether a process of this user can be started there. @throws {NotFound} and the like */
  examineDirectory(path: string, user: OtherUser | undefined): DirectoryUse;
  /** @throws {NotFound} when every process of the group is gone */
  signalGroup(groupId: number, signal: GroupSignal): void;
  /**
   * The living processes of a session, whether or not its first process is among them; none where that is not
   * to be had.
   */
  readSession(sessionId: number): ProcessEntry[];
  /**
   * Whether a process was started with this environment variable. False also when its environment is not ours
   * to read.
   */
  hasVariable(pid: number, name: string, value: string): boolean;
}
