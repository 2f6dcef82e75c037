/**
 * A logger for commands whose own output says what was done: what is news in a worker's log would say it
 * twice here.
 */
import type { Logger } from "./logger.ts";

/** Passes warnings and errors on; the rest only with `--log-level=debug`. */
export function quietLogger(logger: Logger): Logger {
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: (message, fields) => logger.debug(message, fields),
    warn: (message, fields) => logger.warn(message, fields),
    error: (message, fields) => logger.error(message, fields),
    with: (fields, secrets) => quietLogger(logger.with(fields, secrets)),
  };
}
