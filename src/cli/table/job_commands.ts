/**
 * The part of the command table that looks at the jobs of a server and decides about them. All of these are
 * calls of our own, which other servers do not offer.
 */
import { type CommandEntry, entry } from "./command_entry.ts";
import { collect } from "../options/pairs.ts";
import { CLIENT_SETTINGS, EXEC_SETTINGS } from "../../config/setting_groups.ts";

const REFUSED =
  "1 the server refused it for one of several jobs (the others are done), or does not offer it at all; " +
  "4 sign-in refused; 75 server unreachable.";

/** As timeout(1), env(1) and docker run have it, so that it is told from what the command itself gives. */
const EXIT_OURS = 125;

export const JOB_COMMANDS: readonly CommandEntry[] = [
  entry({
    path: "exec",
    summary: "run a command here and now, show its output, and record and deliver it as a job",
    settings: EXEC_SETTINGS,
    needsNoHome: true,
    exitCodeOfOurs: EXIT_OURS,
    logFile: { name: "exec.log", isDefault: true },
    examples: [
      ["airunner exec --server=URL -- make test", "in a CI that there is already; no worker is needed"],
      ["airunner exec --name=nightly --label=branch=main -- ./build.sh", "for `list --label` and `show`"],
      ["airunner exec --require-log --wait -- ./release.sh", "only with a record, and until it is delivered"],
      ["airunner exec --deliver", "runs nothing; delivers what earlier runs have left"],
    ],
    exitCodes:
      "0 to 255, the exit code of the command, 128 + N when signal N ended it; 127 no such command; 126 it cannot be " +
      "run; 125 airunner failed before it could run it, or with --deliver: the server does not answer. The server " +
      "never changes it. The command sees pipes for its output, not a terminal; its input is ours.",
    define: (command) =>
      command
        .argument("[command...]", "the command and its arguments, after --")
        .option("--name <NAME>", "a name for the job")
        .option("--label <NAME=VALUE>", "a label for the job; may be repeated", collect, [] as string[])
        .option(
          "--require-log",
          "do not run the command when it cannot be recorded, and pause it rather than " +
            "leave output out",
        )
        .option("--wait", "wait until the output is delivered, or the server does not answer")
        .option("--quiet", "say nothing of the job; failures are said all the same")
        .option("--deliver", "run nothing: deliver what earlier runs have left, and end"),
    load: () => import("../commands/exec.ts"),
  }),
  entry({
    path: "show",
    summary: "show what the server knows of a job: state, executions, worker, sizes, result",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner show --server=URL JOB", "who runs it, since when, and when it was heard of last"],
      ["airunner show --server=URL JOB --json | jq .executions[-1].result", "for scripts"],
    ],
    exitCodes: "0 done; 1 no such job, or a server that does not offer it; 4 sign-in refused; " +
      "75 server unreachable.",
    define: (command) => command.argument("<job>", "id of the job").option("--json", "one JSON document"),
    load: () => import("../commands/jobs/show.ts"),
  }),
  entry({
    path: "cancel",
    summary: "take jobs from their queue, and have those that run ended by their workers",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner cancel --server=URL JOB", "says whether it had started, and who ends it"],
      ["airunner cancel --server=URL --reason='wrong branch' JOB JOB", "the reason is in the jobs' output"],
    ],
    exitCodes: `0 cancelled, asked for, or ended before; ${REFUSED}`,
    define: (command) =>
      command
        .argument("<job...>", "ids of the jobs")
        .option("--reason <TEXT>", "why, for whoever reads the job's output")
        .option("--json", "one JSON document"),
    load: () => import("../commands/jobs/cancel.ts"),
  }),
  entry({
    path: "retry",
    summary: "submit a job again, with the same parameters, and print the new job's id",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner retry --server=URL JOB", "the old job stays as it is; the new one names it"],
      ["airunner retry --server=URL JOB --follow", "shows the new job's output"],
    ],
    exitCodes:
      "0 submitted, or with --follow the exit code of the new job; 1 no such job, or a server that " +
      "does not offer it; 4 sign-in refused; 75 server unreachable.",
    define: (command) =>
      command
        .argument("<job>", "id of the job")
        .option("--request-id <ID>", "submit at most once: the same id gives the same job")
        .option("--follow", "print the new job's output until it ends")
        .option("--json", "one JSON document"),
    load: () => import("../commands/jobs/retry.ts"),
  }),
  entry({
    path: "delete",
    summary: "delete jobs that have ended from the server, with all of their output",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner delete --server=URL JOB", "asks first; archives on the workers' hosts stay"],
      ["airunner delete --server=URL --yes JOB JOB", "for scripts"],
    ],
    exitCodes: `0 deleted; 2 usage; ${REFUSED} A job that has not ended is refused.`,
    define: (command) =>
      command
        .argument("<job...>", "ids of the jobs")
        .option("--yes", "do not ask")
        .option("--json", "one JSON document"),
    load: () => import("../commands/jobs/delete.ts"),
  }),
  entry({
    path: "queues",
    summary: "list the queues: what waits, what runs, and whether a worker is there",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner queues --server=URL", "a queue with jobs and without workers has a mistyped name"],
      ["airunner queues --server=URL --json", "for monitoring"],
    ],
    exitCodes: "0 done; 1 a server that does not offer it; 4 sign-in refused; 75 server unreachable.",
    define: (command) => command.option("--json", "one JSON document"),
    load: () => import("../commands/jobs/queues.ts"),
  }),
  entry({
    path: "workers",
    summary: "list the workers that the server has heard of in the last day",
    settings: CLIENT_SETTINGS,
    examples: [
      ["airunner workers --server=URL", "which are connected, and how much they run"],
      ["airunner workers --server=URL --json", "with the ids of their jobs"],
    ],
    exitCodes: "0 done; 1 a server that does not offer it; 4 sign-in refused; 75 server unreachable.",
    define: (command) => command.option("--json", "one JSON document"),
    load: () => import("../commands/jobs/workers.ts"),
  }),
];
