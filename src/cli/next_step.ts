/**
 * What to type about an error that a part of the program threw. The error has the facts; commands and their
 * quoting are the command line's own. Whatever is imported here is loaded by every command, so that these
 * classes are in small files.
 */
import { ArchiveError } from "../archive/archive_errors.ts";
import { shellWord } from "../platform/text.ts";
import { LogNotFoundError } from "../survey/errors.ts";
import { DirectoryMovingError, LogQuarantinedError, LogReadError } from "../wal/errors.ts";

/** A line or more for the terminal; undefined when the error says it all. */
export function nextStep(error: unknown): string | undefined {
  if (error instanceof LogNotFoundError) {
    return error.quarantinedPath === undefined
      ? "Check the id and --data-dir, or give the path of a file. `airunner wal ls` shows what there is."
      : `A damaged log of this job was set aside. Next: airunner wal recover ${
        shellWord(error.quarantinedPath)
      }`;
  }
  if (error instanceof LogQuarantinedError) {
    return `Next: airunner wal recover ${shellWord(error.quarantinePath)}`;
  }
  if (error instanceof LogReadError) return `Next: airunner wal verify ${shellWord(error.path)}`;
  if (error instanceof ArchiveError && error.noSpace) {
    return "Make room on the archive's disk, for example with: airunner wal cleanup --older-than=7d";
  }
  if (error instanceof DirectoryMovingError) {
    return "Start the worker again when `airunner wal migrate` has ended.";
  }
  return undefined;
}
