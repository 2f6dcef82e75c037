/**
 * Where and as whom jobs run, by the settings, or what to type when that cannot be.
 */
import {
  findJobPlace,
  type JobPlace,
  JobPlaceError,
  type JobPlaceRemedy,
  type JobPlaceSettings,
} from "../../job/job_place.ts";
import type { Environment } from "../../platform/environment.ts";
import { shellWord } from "../../platform/text.ts";
import { CommandError } from "../command_error.ts";
import { ExitCode } from "../../screens/exit_code.ts";

/** @throws {CommandError} when jobs cannot run as the settings want it */
export function jobPlace(settings: JobPlaceSettings, host: Environment): JobPlace {
  try {
    return findJobPlace(settings, host);
  } catch (cause) {
    if (!(cause instanceof JobPlaceError)) throw cause;
    const next = REMEDIES[cause.remedy](cause.jobUser);
    throw new CommandError(`${cause.message}.`, ExitCode.CONFIGURATION, next, { cause });
  }
}

const REMEDIES: Record<JobPlaceRemedy, (jobUser: string | undefined) => string> = {
  try_again: () => "Try again.",
  make_user: (name = "") =>
    `Make one, \`useradd --system --create-home ${shellWord(name)}\`, or name another with --job-user.`,
  other_user: () => "Name another user with --job-user.",
  own_user: () => "Name another user with --job-user, or leave it out if that is what you want.",
  no_user: () => "Leave --job-user out.",
  rights: () =>
    "Start the worker as root, or as a service with these AmbientCapabilities=, or leave --job-user out.",
  other_directory: (name) =>
    name === undefined
      ? "Choose another with --work-dir; it is made when it does not exist."
      : `Choose one that ${name} gets to with --work-dir; it is made when it does not exist.`,
};
