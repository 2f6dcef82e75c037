/**
 * The part of the command table that changes, sends or moves logs.
 */
import { type CommandEntry, entry } from "./command_entry.ts";
import { CLIENT_SETTINGS } from "../../config/setting_groups.ts";

export const WAL_WRITE_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "wal replay",
    summary: "send what the server lacks, from logs and archives; twice gives no duplicate",
    settings: [...CLIENT_SETTINGS, "adopt", "walDir", "archiveDir", "archiveOnComplete", "compressionLevel"],
    examples: [
      ["airunner wal replay --all --dry-run", "shows what would be sent, and from where"],
      ["airunner wal replay JOB", "sends what is pending, to the server that the job came from"],
      [
        "airunner wal replay --all --failed --server=URL",
        "also tries the events that the server refused before",
      ],
      [
        "airunner wal replay --all --resend",
        "sends every event of every log and archive again, for a server that lost its data",
      ],
    ],
    exitCodes:
      "0 all sent, and jobs that had ended completed; 1 something could not be sent, or a job not completed; " +
      "2 usage; 4 sign-in refused; 75 server unreachable; " +
      "130 interrupted. What is not sent stays where it is, and the same command goes on with it.",
    define: (command) =>
      command
        .argument("[job|file...]", "job ids, or paths of .wal and .wal.zst files")
        .option("--all", "every log and archive that has something the server lacks")
        .option("--failed", "also events that were given up because the server refused them")
        .option("--resend", "every event, also those that the server has acknowledged")
        .option("--seq <A..B>", "only events whose own sequence lies in this range, such as 10..20 or 10..")
        .option("--rate <N>", "at most so many events a second")
        .option("--dry-run", "send nothing, show what would be sent")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/replay.ts"),
  }),
  entry({
    path: "wal recover",
    summary: "save what is right in a damaged log or archive into a new log; the damaged file is not changed",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal recover JOB", "finds the job's log that was set aside"],
      ["airunner wal recover --dry-run JOB.wal.corrupt", "says what could be saved and what is lost"],
      ["airunner wal recover --output=saved.wal broken.wal.zst", "chooses the new log's name"],
    ],
    exitCodes:
      "0 recovered, or nothing to recover; 1 nothing could be saved, or it could not be written; 2 usage.",
    define: (command) =>
      command
        .argument("<job|file>", "job id, or path of a .wal, .wal.corrupt or .wal.zst file")
        .option(
          "--output <FILE>",
          "the new log, which must not exist; default: the job's next free name beside it",
        )
        .option("--dry-run", "write nothing, show what could be saved")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/recover.ts"),
  }),
  entry({
    path: "wal archive",
    summary: "compress logs now, also those with unsent events, which stay replayable",
    settings: ["walDir", "archiveDir", "compressionLevel"],
    examples: [
      ["airunner wal archive --all", "every log that no worker is writing"],
      ["airunner wal archive JOB --compression-level=19", "smaller, and slower"],
    ],
    exitCodes:
      "0 archived (with --all, logs in use are left alone); 1 one could not be archived and is where it was; 2 usage.",
    define: (command) =>
      command
        .argument("[job|file...]", "job ids, or paths of .wal files")
        .option("--all", "every log that no worker is writing")
        .option("--dry-run", "compress nothing, show what would be")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/archive.ts"),
  }),
  entry({
    path: "wal restore",
    summary: "bring archives back as logs, verified byte for byte",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal restore JOB", "all archives of a job"],
      ["airunner wal restore /backup/*.wal.zst", "also archives made by the zstd program"],
      ["airunner wal restore JOB --remove", "removes each archive once its log is on stable storage"],
    ],
    exitCodes:
      "0 restored, or restored before; 1 one is damaged or could not be written, and is as it was; 2 usage.",
    define: (command) =>
      command
        .argument("<archive...>", "job ids, or paths of archives")
        .option("--remove", "remove each archive once its log is on stable storage")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/restore.ts"),
  }),
  entry({
    path: "wal migrate",
    summary: "move logs and archives to another disk: copy, verify, swap, then remove the originals",
    settings: ["walDir", "archiveDir"],
    examples: [
      [
        "airunner wal migrate --to /mnt/ssd/airunner --dry-run",
        "shows what would be moved, and what is in the way",
      ],
      ["airunner wal migrate --to /mnt/ssd/airunner --symlink", "puts links in the place of the directories"],
      ["airunner wal migrate --to /mnt/ssd/airunner", "copies, and says which settings to change"],
    ],
    exitCodes: "0 done; 1 something is in the way, such as a running worker; 2 usage; 130 interrupted. " +
      "However it ends, every log is whole, and the same command goes on.",
    define: (command) =>
      command
        .requiredOption("--to <DIR>", "the new directory; wal and archive are made in it")
        .option("--symlink", "put symbolic links in the place of the old directories")
        .option("--dry-run", "change nothing")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/migrate.ts"),
  }),
  entry({
    path: "wal cleanup",
    summary: "delete old archives; what the server lacks is never deleted unless you insist",
    settings: ["walDir", "archiveDir"],
    examples: [
      ["airunner wal cleanup --older-than=30d --dry-run", "shows what would go, and how much comes free"],
      ["airunner wal cleanup --older-than=30d", "asks first when it runs on a terminal"],
      ["airunner wal cleanup --max-bytes=20GB --keep=100 --yes", "the oldest go, the newest hundred stay"],
      [
        "airunner wal cleanup --older-than=90d --include-unsent",
        "also archives with unsent events; asks for each one's job id",
      ],
    ],
    exitCodes:
      "0 done, also when there was nothing to delete or the answer was no; 1 something could not be deleted; 2 usage.",
    define: (command) =>
      command
        .option("--older-than <DURATION>", "age from which an archive goes, such as 30d")
        .option("--max-bytes <SIZE>", "size of all archives beyond which the oldest go, such as 20GB")
        .option("--keep <N>", "the newest N archives stay, whatever their age")
        .option(
          "--include-unsent",
          "also archives that the server lacks events of; each one's job id is to be typed",
        )
        .option(
          "--confirm <JOB>",
          "stands for typing this job id; may be repeated",
          (value: string, all: string[]) => [...all, value],
          [] as string[],
        )
        .option("--dry-run", "delete nothing, show what would go")
        .option("--yes", "do not ask")
        .option("--json", "one JSON document"),
    load: () => import("../commands/wal/cleanup.ts"),
  }),
];
