/**
 * The part of the command table that works on log files, without a server.
 */
import type { CommandEntry } from "./command_entry.ts";
import { WAL_READ_COMMANDS } from "./wal_read_commands.ts";
import { WAL_WRITE_COMMANDS } from "./wal_write_commands.ts";

export const WAL_COMMANDS: readonly CommandEntry[] = [
  ...WAL_READ_COMMANDS,
  ...WAL_WRITE_COMMANDS,
];
