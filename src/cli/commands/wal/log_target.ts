/**
 * The log that a command was told to read: a job's, a file, or what comes on standard input.
 */
import type { Context } from "../../context.ts";
import { formatTime, shellWord, shown } from "../../../platform/text.ts";
import { type Directories, locateLog, type OtherFile } from "../../../survey/locate.ts";
import { spoolStdin } from "../../terminal/spool_stdin.ts";

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
  const path = await findLog(context, word, directories);
  return { path, file: path };
}

/**
 * The path of a job's latest log, or of the file itself. Says on standard error which other files of the job
 * there are.
 */
export async function findLog(
  { files, stderr }: Pick<Context, "files" | "stderr">,
  word: string,
  directories: Directories,
): Promise<string> {
  const { path, others } = await locateLog(files, word, directories);
  for (const other of others) await stderr.write(`${otherFileLine(other)}\n`);
  await stderr.flush();
  return path;
}

function otherFileLine({ path, execution }: OtherFile): string {
  const what = execution === undefined
    ? "same job"
    : `execution ${execution.execution}, started ${formatTime(execution.started_at_ms)}`;
  return `Also there: ${shown(shellWord(path))} (${shown(what)})`;
}
