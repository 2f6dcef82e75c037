/**
 * What goes wrong while a command reads a log and writes what it found: the reading is told by the file's
 * name, and everything that says of itself what it is passes unchanged.
 */
import { LogUnreadableError } from "../../../survey/errors.ts";
import { CommandError } from "../../command_error.ts";
import { OutputClosedError } from "../../../screens/output.ts";

export function cannotRead(path: string, error: unknown): Error {
  const speaksForItself = error instanceof CommandError || error instanceof OutputClosedError ||
    error instanceof LogUnreadableError;
  return speaksForItself ? error : LogUnreadableError.because(path, error);
}
