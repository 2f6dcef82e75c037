/**
 * As whom and where a worker's jobs run, by its settings: looked up, and tried, before the first job is taken.
 */
import type { SettingValues } from "../../config/settings.ts";
import { environmentOf, type JobUser } from "../../job/job_user.ts";
import { WorkDirectories } from "../../job/work_directories.ts";
import { ActingUser, type CapabilityName } from "../../platform/acting_user.ts";
import { type DirectoryOwner, preparePassage, UnfitDirectoryError } from "../../platform/owned_directory.ts";
import type { Environment } from "../../platform/environment.ts";
import { messageOf } from "../../platform/error_text.ts";
import { findUser, type UserAccount } from "../../platform/user_account.ts";
import { CommandError } from "../command_error.ts";
import { ExitCode } from "../exit_code.ts";
import { shellWord } from "../../platform/text.ts";

type Settings = SettingValues<"jobUser" | "workDir" | "walDir">;

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

/** @throws {CommandError} when jobs cannot run as the settings want it */
export function jobPlace(settings: Settings, host: Environment): JobPlace {
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
    throw refusal(`Cannot look up the job user ${name}: ${messageOf(error)}`, "Try again.", error);
  }
  if (account === undefined) {
    throw refusal(
      `There is no user ${name} on this machine, as whom jobs are to run`,
      `Make one, \`useradd --system --create-home ${shellWord(name)}\`, or name another with --job-user.`,
    );
  }
  if (account.uid === 0) {
    throw refusal(
      `Jobs are not run as ${name}: it is root (uid 0), from whom nothing of the worker is safe`,
      "Name another user with --job-user.",
    );
  }
  if (account.uid === workerUid) {
    throw refusal(
      `The job user ${name} is the worker's own user, so jobs would read what the worker reads`,
      "Name another user with --job-user, or leave it out if that is what you want.",
    );
  }
  return account;
}

/** Tries it, too: a container or a sandbox may forbid what the capabilities allow. */
function actAs(account: UserAccount): ActingUser {
  const { name } = account;
  const next =
    "Start the worker as root, or as a service with these AmbientCapabilities=, or leave --job-user out.";
  let acting: ActingUser;
  try {
    acting = new ActingUser(account);
  } catch (error) {
    throw refusal(
      `Cannot run jobs as ${name} on this system: ${messageOf(error)}`,
      "Leave --job-user out.",
      error,
    );
  }
  try {
    const missing = acting.missing(NEEDED);
    if (missing.length > 0) {
      throw refusal(`Cannot run jobs as ${name}: the worker lacks ${missing.join(", ")}`, next);
    }
    acting.keepCapabilities();
    acting.run(() => {});
    return acting;
  } catch (error) {
    acting[Symbol.dispose]();
    if (error instanceof CommandError) throw error;
    throw refusal(`Cannot run jobs as ${name}: ${messageOf(error)}`, next, error);
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
    throw refusal(
      `Cannot give jobs directories in ${root}: ${error.reason}`,
      name === undefined
        ? "Choose another with --work-dir; it is made when it does not exist."
        : `Choose one that ${name} gets to with --work-dir; it is made when it does not exist.`,
      error,
    );
  }
  return new WorkDirectories({ root, logDirectory, owner });
}

function refusal(message: string, next: string, cause?: unknown): CommandError {
  return new CommandError(`${message}.`, ExitCode.CONFIGURATION, next, { cause });
}
