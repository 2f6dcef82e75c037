/**
 * The server is a setting without a default: a command that talks to one has to be told which.
 */
import { UsageError } from "../command_error.ts";

/** The same settings with a server among them. @throws {UsageError} when none was given */
export function requireServer<S extends { readonly server: string | undefined }>(
  settings: S,
): S & { readonly server: string } {
  const { server } = settings;
  if (server) return { ...settings, server };
  throw new UsageError("No server is given: add --server=URL, or set AIRUNNER_SERVER");
}
