/**
 * Why a log or a directory of logs cannot be looked at. What to type about it, the command line says.
 */
import { NotRegularFileError } from "../platform/regular_file.ts";
import { IsADirectory, NotFound, PermissionDenied } from "../platform/system_errors.ts";

/** A log, or what was taken for one, that cannot be read. `reason`: why, as part of a sentence. */
export class LogUnreadableError extends Error {
  override name = "LogUnreadableError";
  constructor(readonly path: string, readonly reason: string, options?: ErrorOptions) {
    super(`Cannot read ${path}: ${reason}`, options);
  }

  /** `cause`: what opening or reading the file said. */
  static because(path: string, cause: unknown): LogUnreadableError {
    return new LogUnreadableError(path, readFailure(cause), { cause });
  }
}

export class DirectoryUnreadableError extends Error {
  override name = "DirectoryUnreadableError";
  constructor(readonly path: string, cause: unknown) {
    super(`Cannot list ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** A word that is neither the id of a job with a log nor the path of a file. */
export class LogNotFoundError extends Error {
  override name = "LogNotFoundError";
  /**
   * `directories`: where it was looked for. `quarantinedPath`: a damaged log of this job that was set aside.
   */
  constructor(
    readonly word: string,
    directories: readonly string[],
    readonly quarantinedPath: string | undefined,
  ) {
    const where = directories.join(" or ");
    super(`No log of job ${JSON.stringify(word)}: there is none in ${where}, and no file of that name here.`);
  }
}

function readFailure(error: unknown): string {
  if (error instanceof NotFound) return "no such file";
  if (error instanceof PermissionDenied) return "permission denied; run it as the owner of the file";
  if (error instanceof IsADirectory) return "it is a directory; name the files in it";
  if (error instanceof NotRegularFileError) {
    return error.what === "a directory"
      ? "it is a directory; name the files in it"
      : `${error.message}; write what comes from it to a file first`;
  }
  return error instanceof Error ? error.message : String(error);
}
