/**
 * The log that a command was told to read: a job's, a file, or what comes on standard input.
 */
import type { Context } from "./context.ts";
import { type Directories, locateLog } from "../survey/locate.ts";
import { spoolStdin } from "./terminal/spool_stdin.ts";

export interface LogTarget {
  /** As the user gave it, or where the job's log was found; `-` for standard input. */
  readonly path: string;
  /** Where the bytes are. */
  readonly file: string;
}

/** Says on standard error which other files of the job there are. */
export async function findTarget(
  context: Context,
  word: string,
  directories: Directories,
): Promise<LogTarget> {
  if (word === "-") return { path: word, file: await spoolStdin(context) };
  const { path, notes } = await locateLog(word, directories);
  for (const note of notes) await context.stderr.write(`${note}\n`);
  await context.stderr.flush();
  return { path, file: path };
}
