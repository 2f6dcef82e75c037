/**
 * What the commands that look after the server's database have in common: progress on a terminal, and a
 * signal that ends them so that nothing half-done stays behind.
 */
import type { CopyOptions } from "../../../server/store/sqlite/upkeep/backup.ts";
import { formatBytes, formatCount } from "../../../platform/text.ts";
import type { Context } from "../../context.ts";
import { CommandError } from "../../command_error.ts";
import { ExitCode } from "../../../screens/exit_code.ts";
import { Progress } from "../../../screens/progress.ts";

type Step = Parameters<NonNullable<CopyOptions["onProgress"]>>;

/** Rejects with a CommandError of exit code 130 after Ctrl-C. `undone` says what is left then. */
export async function withUpkeep<T>(
  context: Context,
  undone: string,
  work: (
    options: { host: Context; signal: AbortSignal; onProgress(...step: Step): Promise<void> },
  ) => Promise<T>,
): Promise<T> {
  const interrupted = new AbortController();
  const release = context.signals.take(() => interrupted.abort());
  const progress = new Progress(context);
  try {
    return await work({
      host: context,
      signal: interrupted.signal,
      onProgress: (...step) => progress.show(() => progressLine(...step)),
    });
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    throw new CommandError(`Interrupted. ${undone}`, ExitCode.INTERRUPTED, undefined, { cause: error });
  } finally {
    await progress.clear();
    release();
  }
}

function progressLine(step: Step[0], done: number, total: number): string {
  // A running server's database grows.
  const percent = total === 0 ? 100 : Math.min(100, Math.floor(100 * done / total));
  return step === "copying"
    ? `Copying: ${percent}% of ${formatBytes(total)}`
    : `Checking: ${percent}% of ${formatCount(total)} events`;
}
