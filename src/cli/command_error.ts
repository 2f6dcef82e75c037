/**
 * The error of a command that knows what to tell the user: the message, the exit code and the next step.
 */
import { ExitCode } from "../screens/exit_code.ts";

export class CommandError extends Error {
  override name = "CommandError";
  /** `message`: what happened, why, and whether data is safe. `next`: what to type or to look at now. */
  constructor(
    message: string,
    readonly exitCode: number = ExitCode.FAILED,
    readonly next?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A mistake on the command line that commander cannot see. */
export class UsageError extends CommandError {
  override name = "UsageError";
  constructor(message: string, next?: string, options?: ErrorOptions) {
    super(message, ExitCode.USAGE, next, options);
  }
}
