/**
 * The part of the command table that looks after the server's database.
 */
import { RETENTION_SETTINGS } from "../../config/server_settings.ts";
import { type CommandEntry, entry } from "./command_entry.ts";

export const SERVER_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "server backup",
    summary: "copy the server's database, also while the server runs; the copy is checked",
    settings: ["data"],
    examples: [
      ["airunner server backup /backup/server.db", "whole and checked under that name, or not there at all"],
      [
        "airunner server backup --rate=5MB /backup/server.db",
        "takes longer, and keeps the disk free for others",
      ],
    ],
    exitCodes:
      "0 the backup is there, and was read back; 1 it is not, and nothing was left under its name; 2 usage; 130 interrupted.",
    define: (command) =>
      command
        .argument("<file>", "the new file, which must not exist")
        .option("--rate <SIZE>", "bytes of events a second; 0 for as fast as it goes", "32MB")
        .option("--json", "one JSON document"),
    load: () => import("../commands/server/backup.ts"),
  }),
  entry({
    path: "server restore",
    summary: "make a backup a server's database; it is checked first, and never replaces one",
    settings: ["data"],
    examples: [
      [
        "airunner server restore /backup/server.db --data=/srv/airunner/server.db",
        "the next airunner server --data of that name goes on with it",
      ],
    ],
    exitCodes:
      "0 restored; 3 the backup is damaged, and nothing was written; 1 it could not be read or written; 2 usage; 130 interrupted.",
    define: (command) =>
      command
        .argument("<backup>", "path of a backup file")
        .option("--json", "one JSON document"),
    load: () => import("../commands/server/restore.ts"),
  }),
  entry({
    path: "server verify",
    summary: "check the server's database, or a backup of it, row by row; never writes",
    settings: ["data"],
    examples: [
      ["airunner server verify", "also while the server runs"],
      ["airunner server verify /backup/server.db --json", "one JSON document"],
    ],
    exitCodes:
      "0 all is whole; 3 something is wrong with it, or a job that completed lacks events; 1 it could not be read; 2 usage; 130 interrupted.",
    define: (command) =>
      command
        .argument("[file]", "path of a database; default: that of the setting Data")
        .option("--json", "one JSON document"),
    load: () => import("../commands/server/verify.ts"),
  }),
  entry({
    path: "server prune",
    summary:
      "delete jobs that ended long ago, or beyond a size; a server does it by itself, given the limits",
    settings: ["data", ...RETENTION_SETTINGS],
    examples: [
      [
        "airunner server prune --retain-jobs=30d --dry-run",
        "shows what would go; also while the server runs",
      ],
      [
        "airunner server prune --retain-bytes=50GB --retain-queues=release=never --yes",
        "on a stopped server",
      ],
    ],
    exitCodes:
      "0 done, also when there was nothing to delete or the answer was no; 1 a server runs on the database, or it could not be changed; 2 usage.",
    define: (command) =>
      command
        .option("--dry-run", "delete nothing, show what would go")
        .option("--yes", "do not ask")
        .option("--json", "one JSON document"),
    load: () => import("../commands/server/prune.ts"),
  }),
];
