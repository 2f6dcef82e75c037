/**
 * Creates the directories that the program keeps its data in: the owner's alone, because job output is in them, and with
 * their names synced, because a log is only as durable as the directories above it.
 */
import { systemFiles } from "../platform/system_files.ts";
import { CommandError } from "./command_error.ts";
import { ExitCode } from "./exit_code.ts";

/** Parents too. One that is there stays as it is, its mode and a symbolic link included. */
export async function createDirectory(path: string): Promise<void> {
  try {
    await systemFiles.makeDirectory(path);
    await Deno.stat(path);
  } catch (error) {
    // The name is taken, and yet nothing is there.
    const reason = error instanceof Deno.errors.NotFound
      ? "it is a symbolic link to something that does not exist. Is the disk mounted?"
      : (error as Error).message;
    const message = `Cannot create the directory ${path}: ${reason}`;
    throw new CommandError(message, ExitCode.FAILED, "Choose another with --data-dir.", { cause: error });
  }
}
