/**
 * As whom and where a worker's jobs run, by its settings: looked up, and tried, before the first job is taken.
 */
import type { SettingValues } from "../config/settings.ts";
import { environmentOf, type JobUser } from "../job/job_user.ts";
import { WorkDirectories } from "../job/work_directories.ts";
import { ActingUser, type CapabilityName } from "../platform/acting_user.ts";
import { type DirectoryOwner, preparePassage, UnfitDirectoryError } from "../platform/owned_directory.ts";
import { absolutePath } from "../platform/files.ts";
import { currentUserId, findUser, type UserAccount } from "../platform/user_account.ts";
import { CommandError } from "./command_error.ts";
import { ExitCode } from "./exit_code.ts";
import { shellWord } from "./render/text.ts";

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
export function jobPlace(settings: Settings, environment: Readonly<Record<string, string>>): JobPlace {
  const { jobUser: name, workDir, walDir } = settings;
  const account = name === undefined ? undefined : accountOf(name);
  const acting = account === undefined ? undefined : actAs(account);
  try {
    const owner = account && acting && { uid: account.uid, gid: account.gid, acting };
    const root = workDir ?? (account === undefined ? undefined : `/var/tmp/airunner-${currentUserId()}`);
    return {
      environment: account === undefined ? environment : environmentOf(account, environment),
      user: account && acting && { account, run: (action) => acting.run(action) },
      workDirectories: root === undefined
        ? undefined
        : workDirectoriesIn(absolutePath(root), walDir, owner, name),
      [Symbol.dispose]: () => acting?.[Symbol.dispose](),
    };
  } catch (error) {
    acting?.[Symbol.dispose]();
    throw error;
  }
}

function accountOf(name: string): UserAccount {
  let account: UserAccount | undefined;
  try {
    account = findUser(name);
  } catch (error) {
    throw refusal(`Cannot look up the job user ${name}: ${reasonOf(error)}`, "Try again.", error);
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
  if (account.uid === currentUserId()) {
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
      `Cannot run jobs as ${name} on this system: ${reasonOf(error)}`,
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
    throw refusal(`Cannot run jobs as ${name}: ${reasonOf(error)}`, next, error);
  }
}

function workDirectoriesIn(
  root: string,
  walDir: string,
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
  return new WorkDirectories({ root, logDirectory: absolutePath(walDir), owner });
}

function refusal(message: string, next: string, cause?: unknown): CommandError {
  return new CommandError(`${message}.`, ExitCode.CONFIGURATION, next, { cause });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
