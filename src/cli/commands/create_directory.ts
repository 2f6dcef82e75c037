/**
 * Creates the directories that the program keeps its data in: the owner's alone, because job output is in
 * them, and with their names synced, because a log is only as durable as the directories above it.
 */
import { messageOf } from "../../platform/error_text.ts";
import type { Files } from "../../platform/files.ts";
import { AlreadyExists, NotFound } from "../../platform/system_errors.ts";
import { CommandError } from "../command_error.ts";
import { ExitCode } from "../../screens/exit_code.ts";

/**
 * Somebody may remove what is being made, or its parent, at that very moment; this often in a row is not
 * chance.
 */
const ATTEMPTS_MAX = 4;

/** Parents too. One that is there stays as it is, its mode and a symbolic link included. */
export async function createDirectory(files: Files, path: string): Promise<void> {
  for (let attempt = 1; !await isCreated(files, path, attempt === ATTEMPTS_MAX); attempt++);
}

/** @throws {CommandError} when it cannot be, or is missing and this was the last attempt */
async function isCreated(files: Files, path: string, isLastAttempt: boolean): Promise<boolean> {
  try {
    await files.makeDirectory(path);
    await files.stat(path);
    return true;
  } catch (error) {
    // The name is taken, and yet nothing is there.
    const leadsNowhere = error instanceof NotFound || error instanceof AlreadyExists;
    if (leadsNowhere && !isLastAttempt) return false;
    const reason = leadsNowhere
      ? "it is a symbolic link to something that does not exist. Is the disk mounted?"
      : messageOf(error);
    const message = `Cannot create the directory ${path}: ${reason}`;
    throw new CommandError(message, ExitCode.FAILED, "Choose another with --data-dir.", { cause: error });
  }
}
