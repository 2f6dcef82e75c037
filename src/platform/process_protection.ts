/**
 * Closes this process to others of its user: what is below /proc/PID (its environment, its memory, its open
 * files) and tracing are for root alone from then on. A job that runs as the worker's user reads neither its
 * settings nor the tokens in its memory.
 *
 * The programs that it starts are as open as ever: executing a program begins anew. The process leaves no
 * core dump.
 */

import { messageOf } from "./error_text.ts";
import type { Logger } from "./logging/logger.ts";

const SYMBOLS = {
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
} as const;

/** From Linux's linux/prctl.h. */
const PR_SET_DUMPABLE = 4;

/** Where it is not possible, that is said, and keeps nobody from going on. */
export function closeToOthers(logger: Logger): void {
  const error = makeUndumpable();
  if (error === undefined) return;
  logger.debug("Cannot close this process to others of its user: they can read its environment and memory", {
    error,
  });
}

/** Gives why that is not possible here, or undefined when it is done. */
function makeUndumpable(): string | undefined {
  if (Deno.build.os !== "linux") return "this is implemented for Linux only";
  let library: Deno.DynamicLibrary<typeof SYMBOLS>;
  try {
    library = Deno.dlopen("libc.so.6", SYMBOLS);
  } catch (error) {
    return messageOf(error);
  }
  try {
    return library.symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) === 0
      ? undefined
      : "prctl(PR_SET_DUMPABLE) failed";
  } finally {
    library.close();
  }
}
