/**
 * The part of the command table that works on log files, without a server.
 */
import { type CommandEntry, entry } from "./command_entry.ts";

const TARGET = "job id, path of a .wal or .wal.zst file, or - for standard input";

export const WAL_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "wal inspect",
    summary: "say what is in a log: job, events, what the server lacks, and whether the file is whole",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal inspect JOB", "finds the job's log, or its archive"],
      ["airunner wal inspect old.wal.zst --records", "one line for each event"],
      ["ssh host cat job.wal | airunner wal inspect - --json", "one JSON document, with every event"],
    ],
    exitCodes: "0 the log could be read, damaged or not (wal verify is for checks); 1 it could not; 2 usage.",
    define: (command) =>
      command
        .argument("<job|file|->", TARGET)
        .option("--json", "one JSON document")
        .option("--records", "one line for each event; payloads stay hidden"),
    load: () => import("./commands/wal_inspect.ts"),
  }),
  entry({
    path: "wal verify",
    summary: "check logs and archives byte for byte; never writes",
    settings: [],
    examples: [
      ["airunner wal verify ~/.airunner/wal/*.wal", "one line for each file"],
      ["airunner wal verify --json job.wal archive.wal.zst", "one JSON line for each file"],
    ],
    exitCodes:
      "0 all files are whole; 3 damage was found; 1 a file could not be read (the others are checked all the same).",
    define: (command) =>
      command.argument("<file...>", "paths of .wal or .wal.zst files").option(
        "--json",
        "one JSON line for each file",
      ),
    load: () => import("./commands/wal_verify.ts"),
  }),
  entry({
    path: "wal dump",
    summary: "write the output that a log holds, exactly as the job wrote it",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal dump JOB --raw > output.bin", "both streams, in their order"],
      ["airunner wal dump old.wal.zst --raw | less -R", "reads an archive alike"],
    ],
    exitCodes:
      "0 everything was written; 1 the log is damaged (what lies before the damage was written) or unreadable.",
    define: (command) =>
      command.argument("<job|file|->", TARGET).option("--raw", "the bytes of both streams, unchanged"),
    load: () => import("./commands/wal_dump.ts"),
  }),
  entry({
    path: "wal cleanup",
    summary: "delete old archives; what the server lacks is never deleted",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal cleanup --older-than=30d --dry-run", "shows what would go, and how much comes free"],
      ["airunner wal cleanup --older-than=30d", "asks first when it runs on a terminal"],
      ["airunner wal cleanup --older-than=7d --yes", "for scripts"],
    ],
    exitCodes:
      "0 done, also when there was nothing to delete or the answer was no; 1 something could not be deleted; 2 usage.",
    define: (command) =>
      command
        .requiredOption("--older-than <DURATION>", "age from which an archive goes, such as 30d")
        .option("--dry-run", "delete nothing, show what would go")
        .option("--yes", "do not ask")
        .option("--json", "one JSON document"),
    load: () => import("./commands/wal_cleanup.ts"),
  }),
];
