/**
 * Options of the form NAME=VALUE, which may be given several times. Pure.
 */
import { UsageError } from "../command_error.ts";

/** Collects what an option is given, for commander. */
export const collect = (value: string, all: string[]): string[] => [...all, value];

/** @throws {UsageError} without the value, which may be a secret */
export function parsePair(flag: string, text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at <= 0) {
    throw new UsageError(`Cannot read ${flag}: expected NAME=VALUE, found no name with a = behind it`);
  }
  return [text.slice(0, at), text.slice(at + 1)];
}
