/**
 * The part of the command table that reads logs and archives and never changes one.
 */
import { type CommandEntry, entry } from "./command_entry.ts";

const TARGET = "job id, path of a .wal or .wal.zst file, or - for standard input";

export const WAL_READ_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "wal ls",
    summary: "list logs and archives: whose they are, and what the server lacks",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal ls", "what needs somebody comes first"],
      ["airunner wal ls --pending --state=orphaned", "events that nobody is sending"],
      ["airunner wal ls --json | jq '.logs[] | select(.failed > 0).path'", "for scripts"],
    ],
    exitCodes: "0 done; 1 a log could not be read (the others are listed all the same); 2 usage.",
    define: (command) =>
      command
        .option("--state <STATE>", "only active, orphaned, corrupt or archived logs; several with commas")
        .option("--pending", "only logs with events that were not sent yet")
        .option("--failed", "only logs with events that the server refused")
        .option("--job <PREFIX>", "only logs of jobs whose ids begin so")
        .option("--sort <KEY>", "urgency (default), job, time, size or pending")
        .option("--limit <N>", "at most this many lines; 0 for all (default: 50 on a terminal, else all)")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/ls.ts"),
  }),
  entry({
    path: "wal inspect",
    summary: "say what is in a log: job, events, what the server lacks, and whether the file is whole",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal inspect JOB", "finds the job's log, or its archive"],
      ["airunner wal inspect old.wal.zst --records", "one line for each event"],
      ["airunner wal inspect JOB --status=failed --payload", "what the server refused, in full"],
      [
        "airunner wal inspect JOB --since=10m --grep='error|panic'",
        "events of the last ten minutes that say so",
      ],
      ["airunner wal inspect JOB --follow", "shows events while the worker writes them"],
      ["ssh host cat job.wal | airunner wal inspect - --json", "one JSON document, with every event"],
    ],
    exitCodes:
      "0 the log could be read, damaged or not (wal verify is for checks); 1 it could not; 2 usage; " +
      "130 interrupted.",
    define: (command) =>
      command
        .argument("<job|file|->", TARGET)
        .option("--json", "one JSON document; with --follow, one line for each event")
        .option("--records", "one line for each event; payloads stay hidden")
        .option("--payload", "what each event says, too; control characters are made visible")
        .option(
          "--follow",
          "go on while a worker writes; ends when the log is archived or nobody writes any more",
        )
        .option("--status <STATUS>", "only events that are pending, sent or failed; several with commas")
        .option("--type <TYPE>", "only events of this type, such as PROCESS_END; several with commas")
        .option("--seq <RANGE>", "only events with these sequences: 10..20, 10.., ..20 or 10")
        .option(
          "--since <TIME>",
          "only events from this time on: 2026-01-31T23:59:59Z, or 2h for two hours ago",
        )
        .option("--until <TIME>", "only events up to this time")
        .option("--grep <PATTERN>", "only events whose output or message matches this regular expression")
        .option("--limit <N>", "at most this many events"),
    load: () => import("../commands/wal/inspect.ts"),
  }),
  entry({
    path: "wal dump",
    summary: "write what a log holds: the output as the job wrote it, or every event",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal dump JOB --raw > output.bin", "both streams, in their order, byte for byte"],
      ["airunner wal dump JOB --text --stream=stderr", "lines with their time"],
      ["airunner wal dump old.wal.zst --json | jq .event.eventType", "one JSON line for each event"],
    ],
    exitCodes:
      "0 everything was written; 1 the log is damaged (what lies before the damage was written) or unreadable; 2 usage.",
    define: (command) =>
      command
        .argument("<job|file|->", TARGET)
        .option("--raw", "the output's bytes, unchanged")
        .option(
          "--text",
          "the output's lines, each with time and stream; control characters are made visible",
        )
        .option("--json", "every event as one line, in the JSON mapping of protobuf")
        .option("--stream <STREAM>", "only stdout or stderr")
        .option("--seq <RANGE>", "only events with these sequences: 10..20, 10.., ..20 or 10"),
    load: () => import("../commands/wal/dump.ts"),
  }),
  entry({
    path: "wal verify",
    summary: "check logs and archives byte for byte; never writes",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal verify --all", "every log, quarantined file and archive; also while workers run"],
      ["airunner wal verify ~/backup/*.wal.zst", "one line for each file"],
      ["airunner wal verify --json job.wal archive.wal.zst", "one JSON line for each file"],
    ],
    exitCodes:
      "0 all files are whole; 3 damage was found; 1 a file could not be read (the others are checked all the same); 2 usage.",
    define: (command) =>
      command
        .argument("[file...]", "paths of .wal or .wal.zst files")
        .option("--all", "every file of the data directory")
        .option("--json", "one JSON line for each file"),
    load: () => import("../commands/wal/verify.ts"),
  }),
  entry({
    path: "wal stats",
    summary: "show how much there is, how much room is left and for how long, and how fast appends are",
    settings: ["walDir", "archiveDir", "metricsListen", "retentionDays"],
    examples: [
      ["airunner wal stats", "the data directory of this host, and its running worker"],
      ["airunner wal stats --json", "for scripts"],
    ],
    exitCodes: "0 done; 1 a log could not be read (the rest is counted all the same).",
    define: (command) => command.option("--json", "one JSON document"),
    load: () => import("../commands/wal/stats.ts"),
  }),
];
