/**
 * Standard input as something that can be read twice.
 */
import { writeAll } from "../../platform/files.ts";
import { NotFound } from "../../platform/system_errors.ts";
import type { Context } from "../context.ts";

/**
 * Standard input as a file. Statuses are known only at a log's end and the records are printed with them, so
 * the log is read twice, which a pipe cannot be. Kept in the temporary directory until the program ends.
 */
export async function spoolStdin({ files, stdin, atExit }: Context): Promise<string> {
  // At once: a signal between making the file and promising to remove it would leave it behind.
  const path = files.makeTemporaryFileNow("airunner-stdin-");
  const ended = new AbortController();
  atExit(() => {
    ended.abort();
    try {
      files.removeNow(path);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
  });
  using file = await files.openForWriting(path, "existing");
  const sink = new WritableStream<Uint8Array>({ write: (bytes) => writeAll(file, bytes) });
  await stdin.pipeTo(sink, { signal: ended.signal });
  return path;
}
