/**
 * As whom and where a worker's jobs run, by its settings: looked up, and tried, before the first job is
 * taken.
 */
import { environmentOf, type JobUser } from "./job_user.ts";
import { WorkDirectories } from "./work_directories.ts";
import { ActingUser, type CapabilityName } from "../platform/acting_user.ts";
import { type DirectoryOwner, preparePassage, UnfitDirectoryError } from "../platform/owned_directory.ts";
import type { Environment } from "../platform/environment.ts";
import { messageOf } from "../platform/error_text.ts";
import { findUser, type UserAccount } from "../platform/user_account.ts";

export interface JobPlaceSettings {
  /** The name of the user as whom jobs run. Undefined: the worker's own. */
  readonly jobUser: string | undefined;
  /** Where jobs get directories of their own. Undefined: there is a default where there is a job user. */
  readonly workDir: string | undefined;
  readonly walDir: string;
}

/** What would help: another setting, a user that is made, more rights for the worker, or only another try. */
export type JobPlaceRemedy =
  | "try_again"
  | "make_user"
  | "other_user"
  | "own_user"
  | "no_user"
  | "rights"
  | "other_directory";

/** Jobs cannot run as the settings want it. The message says why, as a sentence without its full stop. */
export class JobPlaceError extends Error {
  override readonly name = "JobPlaceError";
  constructor(
    message: string,
    readonly remedy: JobPlaceRemedy,
    readonly jobUser: string | undefined,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface JobPlace extends Disposable {
  /** What jobs inherit. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined: the worker's own. */
  readonly user: JobUser | undefined;
  /** Undefined: jobs run in the worker's directory. */
  readonly workDirectories: WorkDirectories | undefined;
}

/** To change the user and the groups, to signal the user's processes, and to give it a directory. */
const NEEDED: readonly CapabilityName[] = ["CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"];

/** @throws {JobPlaceError} when jobs cannot run as the settings want it */
export function findJobPlace(settings: JobPlaceSettings, host: Environment): JobPlace {
  const { jobUser: name, workDir, walDir } = settings;
  const account = name === undefined ? undefined : accountOf(name, host.userId());
  const acting = account === undefined ? undefined : actAs(account);
  const environment = host.environment();
  const absolute = (path: string) => path.startsWith("/") ? path : `${host.workingDirectory()}/${path}`;
  try {
    const owner = account && acting && { uid: account.uid, gid: account.gid, acting };
    const root = workDir ?? (account === undefined ? undefined : `/var/tmp/airunner-${host.userId()}`);
    return {
      environment: account === undefined ? environment : environmentOf(account, environment),
      user: account && acting && { account, run: (action) => acting.run(action) },
      workDirectories: root === undefined
        ? undefined
        : workDirectoriesIn(absolute(root), absolute(walDir), owner, name),
      [Symbol.dispose]: () => acting?.[Symbol.dispose](),
    };
  } catch (error) {
    acting?.[Symbol.dispose]();
    throw error;
  }
}

function accountOf(name: string, workerUid: number | undefined): UserAccount {
  let account: UserAccount | undefined;
  try {
    account = findUser(name);
  } catch (error) {
    throw new JobPlaceError(`Cannot look up the job user ${name}: ${messageOf(error)}`, "try_again", name, {
      cause: error,
    });
  }
  if (account === undefined) {
    throw new JobPlaceError(
      `There is no user ${name} on this machine, as whom jobs are to run`,
      "make_user",
      name,
    );
  }
  if (account.uid === 0) {
    throw new JobPlaceError(
      `Jobs are not run as ${name}: it is root (uid 0), from whom nothing of the worker is safe`,
      "other_user",
      name,
    );
  }
  if (account.uid === workerUid) {
    throw new JobPlaceError(
      `The job user ${name} is the worker's own user, so jobs would read what the worker reads`,
      "own_user",
      name,
    );
  }
  return account;
}

/** Tries it, too: a container or a sandbox may forbid what the capabilities allow. */
function actAs(account: UserAccount): ActingUser {
  const { name } = account;
  let acting: ActingUser;
  try {
    acting = new ActingUser(account);
  } catch (error) {
    throw new JobPlaceError(
      `Cannot run jobs as ${name} on this system: ${messageOf(error)}`,
      "no_user",
      name,
      { cause: error },
    );
  }
  try {
    const missing = acting.missing(NEEDED);
    if (missing.length > 0) {
      throw new JobPlaceError(
        `Cannot run jobs as ${name}: the worker lacks ${missing.join(", ")}`,
        "rights",
        name,
      );
    }
    acting.keepCapabilities();
    acting.run(() => {});
    return acting;
  } catch (error) {
    acting[Symbol.dispose]();
    if (error instanceof JobPlaceError) throw error;
    throw new JobPlaceError(`Cannot run jobs as ${name}: ${messageOf(error)}`, "rights", name, {
      cause: error,
    });
  }
}

function workDirectoriesIn(
  root: string,
  logDirectory: string,
  owner: DirectoryOwner | undefined,
  name: string | undefined,
): WorkDirectories {
  try {
    preparePassage(root, owner?.acting);
  } catch (error) {
    if (!(error instanceof UnfitDirectoryError)) throw error;
    throw new JobPlaceError(
      `Cannot give jobs directories in ${root}: ${error.reason}`,
      "other_directory",
      name,
      { cause: error },
    );
  }
  return new WorkDirectories({ root, logDirectory, owner });
}
