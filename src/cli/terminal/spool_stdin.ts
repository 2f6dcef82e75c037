/**
 * Standard input as something that can be read twice.
 */
import type { Context } from "../context.ts";

/**
 * Standard input as a file. Statuses are known only at a log's end and the records are printed with them, so
 * the log is read twice, which a pipe cannot be. Kept in the temporary directory until the program ends.
 */
export async function spoolStdin(context: Context): Promise<string> {
  // At once: a signal between making the file and promising to remove it would leave it behind.
  const path = Deno.makeTempFileSync({ prefix: "airunner-stdin-" });
  const ended = new AbortController();
  context.atExit(() => {
    ended.abort();
    try {
      Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  });
  using file = await Deno.open(path, { write: true });
  await context.stdin.pipeTo(file.writable, { preventClose: true, signal: ended.signal });
  return path;
}
