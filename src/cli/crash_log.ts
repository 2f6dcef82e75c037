/**
 * The last line of a program that ends by a mistake of ours. Without it the runtime would print a stack to standard
 * error alone, and the log file of a worker that somebody finds dead would end in the middle of its work.
 */
import type { FieldValue, Logger } from "../platform/logging/logger.ts";
import { ExitCode } from "./exit_code.ts";

/** Logs errors and rejections that nobody handles, then exits with 1. Until the returned function is called. */
export function exitOnCrash(logger: Logger): () => void {
  const end = (what: string, reason: unknown): never => {
    logger.error(
      `${what}, so the program ends. What was stored is safe, and the next run goes on from there`,
      {
        // Anything can be thrown, and the logger takes anything.
        error: reason instanceof Error ? reason.stack ?? reason.message : reason as FieldValue,
      },
    );
    // Going on would mean to go on in a state that nobody has thought of.
    Deno.exit(ExitCode.FAILED);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    end("Nobody handled an error", event.error ?? event.message);
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    end("Nobody handled a rejection", event.reason);
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return () => {
    globalThis.removeEventListener("error", onError);
    globalThis.removeEventListener("unhandledrejection", onRejection);
  };
}
