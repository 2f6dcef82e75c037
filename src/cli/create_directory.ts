/**
 * Creates the directories that the program keeps its data in: the owner's alone, because job output is in them.
 */
import { CommandError } from "./command_error.ts";
import { ExitCode } from "./exit_code.ts";

/** Parents too. One that is there stays as it is, its mode and a symbolic link included. */
export async function createDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const message = `Cannot create the directory ${path}: ${(error as Error).message}`;
    throw new CommandError(message, ExitCode.FAILED, "Choose another with --data-dir.", { cause: error });
  }
}
