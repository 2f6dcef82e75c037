/**
 * The last line of a program that ends by a mistake of ours. Without it the runtime would print a stack to
 * standard error alone, and the log file of a worker that somebody finds dead would end in the middle of its
 * work.
 */
import type { FieldValue, Logger } from "../platform/logging/logger.ts";
import type { Context } from "./context.ts";
import { ExitCode } from "../screens/exit_code.ts";

/**
 * Logs errors and rejections that nobody handles, and has the program end with 1. Until the returned function
 * is called.
 */
export function exitOnCrash({ onCrash }: Pick<Context, "onCrash">, logger: Logger): () => void {
  return onCrash((kind, reason) => {
    const message = kind === "error" ? "Nobody handled an error" : "Nobody handled a rejection";
    logger.error(
      `${message}, so the program ends. What was stored is safe, and the next run goes on from there`,
      {
        // Anything can be thrown, and the logger takes anything.
        error: reason instanceof Error ? reason.stack ?? reason.message : reason as FieldValue,
      },
    );
    return ExitCode.FAILED;
  });
}
