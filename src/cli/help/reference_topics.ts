/**
 * Topics to look something up in. What the tables of settings and exit codes know comes from them.
 */
import { SECTIONS } from "../../config/config_template.ts";
import { type Setting, SETTINGS } from "../../config/settings.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import type { Topic } from "./topic.ts";

export const CONFIG_TOPIC: Topic = {
  name: "config",
  summary: "the configuration file: where it lies, its form, reloading it",
  text: `The configuration file

A flag wins over a variable of the environment, and that over the file:
  --retention-days=7     AIRUNNER_RETENTION_DAYS=7     RetentionDays: 7

Which file? The first of these that is there, and only that one:
  1. --config=FILE, or else AIRUNNER_CONFIG      named like this it has to be there
  2. DATA-DIR/config.yaml                        with --data-dir or AIRUNNER_DATA_DIR
  3. ~/.airunner/config.yaml
  4. $XDG_CONFIG_HOME/airunner/config.yaml       ~/.config/airunner/config.yaml
For airunner submit, --config is the job's file; AIRUNNER_CONFIG names the program's.

To begin, to check, to understand:
  airunner config init               writes one in which every setting is explained
  airunner config validate           says all that is wrong, with line and column
  airunner config show --origin      says what is in force, and where it comes from

Its form is YAML. Names match whatever their case, _ or -.
  Server: https://airunner.example.com
  RetentionDays: 7
  FlushInterval: 500ms          durations: ms s m h d, also 1h30m
  WALMaxBytes: 5GB              sizes: B KB MB GB TB, KiB MiB GiB TiB
  WALDir: /mnt/ssd/wal          ~ is the home directory; a relative path leads on from
  RetryBackoff:                 the directory of the file
    InitialInterval: 5s
    MaxInterval: 2m
Aliases and tags of YAML are refused. Secrets have no place in it: keys lie in files of
their own, in ~/.airunner/credentials. A wrong file is refused with exit code 78.

A worker that runs reads the file again on SIGHUP; no job and no event is touched:
  kill -HUP <pid of worker>      or: systemctl reload airunner-worker
What cannot change while it runs is named in a warning. A wrong file changes nothing.
These change at once:
${wrapped(Object.values<Setting>(SETTINGS).filter(({ isReloadable }) => isReloadable).map(({ key }) => key))}
`,
};

export const ENVIRONMENT_TOPIC: Topic = {
  name: "environment",
  summary: "every AIRUNNER_ variable, with its flag, key and default",
  text: `Variables of the environment

An empty variable counts as unset. A flag wins over a variable, a variable over the file.
Jobs do not get them: of AIRUNNER_ variables a job sees AIRUNNER_JOB_ID alone.

  AIRUNNER_CONFIG    the configuration file (--config)
  HOME               where ~ leads to
  XDG_CONFIG_HOME    see airunner help config
  SSL_CERT_FILE      certificates to trust, as those of --ca-file
  NO_COLOR           no colour (--no-color)
${
    SECTIONS.map(({ title, names }) =>
      `\n${title.split(". ")[0]}\n${names.map((name) => variable(SETTINGS[name])).join("")}`
    ).join("")
  }`,
};

export const EXIT_CODES_TOPIC: Topic = {
  name: "exit-codes",
  summary: "what a script can tell from the exit code",
  text: `Exit codes

${
    [
      [ExitCode.DONE, "done"],
      [ExitCode.FAILED, "failed; the message says why, and what to type next"],
      [ExitCode.USAGE, "the command line is wrong; nothing was done"],
      [ExitCode.FINDINGS, "the command worked, and found something: damage, a failing check"],
      [ExitCode.AUTHENTICATION, "the server does not let us in"],
      [ExitCode.UNREACHABLE, "the server cannot be reached; the same command may work later"],
      [ExitCode.CONFIGURATION, "the configuration is wrong: file, variable, credentials"],
      [ExitCode.INTERRUPTED, "interrupted by Ctrl-C or a signal"],
    ].map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}\n`).join("")
  }
airunner logs JOB and airunner submit --follow end with the exit code of the job instead,
with 1 when some of its output is missing or it has none of its own. airunner exec ends with
that of its command. That is what the command gave, or
    125  the worker, or exec, failed, and not the job: an error that begins "airunner: " says how.
         A command may give 125 as well; then there is no such error
    126  the command cannot be run, or asks for what the worker does not do
    127  there is no such command
  128+N  the command was ended by signal N: 143 by SIGTERM, 137 by SIGKILL

Data goes to standard output, messages go to standard error. With --json the output has
schema_version 1; fields may be added to it, none is taken away.
`,
};

export const FILES_TOPIC: Topic = {
  name: "files",
  summary: "what lies where, and what may be copied, moved or deleted",
  text: `Files, below DATA-DIR (~/.airunner unless --data-dir says otherwise)

  config.yaml              configuration; see airunner help config
  wal/JOB.wal              a job's events. Removed by the worker once the server has all of
                           them. JOB.2.wal is the job's second execution, and so on
  wal/JOB.wal.corrupt      a damaged log that was set aside; see airunner help corrupt-log
  wal/JOB.wal.cut-OFFSET   bytes that were cut from the end of a log after a crash
  .NAME.tmp-UUID           left by a killed process, in wal or archive; a worker removes it
  archive/JOB.wal.zst      a log after delivery, or by airunner wal archive; zstd -d reads it
  logs/worker.log          what the worker said; worker.log.1 is older
  logs/exec.log            what airunner exec said while it delivered
  credentials/             key pairs and config.json; see airunner help authentication
  tls/                     certificate and key of airunner server --dev-tls
  server.db                the data of airunner server, with server.db-wal beside it

Never delete wal/*.wal by hand: they hold what the server lacks.
wal and archive may be symbolic links to directories on another disk.
Copies by cp, rsync or tar are safe for archives at any time, and for logs while no worker
runs. Restored on any host, they can be sent from there:
  airunner wal replay --all --server=URL

Directories are made with mode 0700, files with 0600: the output of jobs is in them.
Network file systems, tmpfs and FUSE are no place for logs; airunner doctor knows.
`,
};

function variable(setting: Setting): string {
  const { variable: name, flag, key, type, description } = setting;
  const fallback = setting.default === undefined
    ? setting.defaultText ?? "none"
    : type.format(setting.default);
  return `  ${name}\n      ${description}\n      ${flag}, ${key}; default: ${fallback}\n`;
}

/** Words in lines that fit a narrow terminal. */
function wrapped(words: readonly string[]): string {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1)!.length + word.length > 84) lines.push("");
    lines[lines.length - 1] += `  ${word}`;
  }
  return lines.join("\n");
}
