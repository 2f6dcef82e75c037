/**
 * `airunner exec`: runs a command as if we were not there, and records what it prints; what is recorded is
 * delivered afterwards by a process that stays behind.
 *
 *     log made -> command run, shown and recorded -> its exit code is ours
 *       \-> behind it, `exec --deliver`: the log adopted, sent, its job completed, archived
 *
 * Without a disk the command runs all the same, and without a server its log stays: neither ever keeps it
 * from running, or changes how it ends.
 */
import { parseServerUrl } from "../../client/transport.ts";
import { connectTransport } from "../../client/server_client.ts";
import { deliverLogs } from "../../exec/deliver.ts";
import { LenientLog, NO_LOG } from "../../exec/lenient_log.ts";
import { openCommandLog, type OpenedLog } from "../../exec/open_log.ts";
import { passThrough, SharedScreen } from "../../exec/pass_through.ts";
import { type CommandEnd, runCommand } from "../../exec/run_command.ts";
import type { EventLog } from "../../job/event_writer.ts";
import { messageOf } from "../../platform/error_text.ts";
import { createEntryLogger, type Logger, silentLogger } from "../../platform/logging/logger.ts";
import { counted, shellWord } from "../../platform/text.ts";
import { VERSION } from "../../platform/version.ts";
import { createUuid7 } from "../../server/uuid7.ts";
import type { Call } from "../call.ts";
import { CommandError, UsageError } from "../command_error.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { parsePair } from "../options/pairs.ts";
import { deliverySettings, execLimits } from "../../setup/exec_settings.ts";
import { requireServer } from "../settings/require_server.ts";
import { NO_HOME } from "../settings/settings_loader.ts";
import type { EXEC_SETTINGS } from "../../config/setting_groups.ts";
import { OutputClosedError } from "../../screens/output.ts";
import { stopSignals } from "../terminal/stop_signals.ts";

type Exec = Call<
  [string[]],
  {
    name?: string;
    label: string[];
    requireLog?: true;
    wait?: true;
    quiet?: true;
    deliver?: true;
  },
  (typeof EXEC_SETTINGS)[number]
>;

/** A run of the command, with the screens that it shares with the command that it runs. */
type Run = Exec & { readonly screens: Screens };
type Screens = Readonly<Record<"stdout" | "stderr", SharedScreen>>;

/** A terminal that does not take our last lines must not hold up the end. */
const LAST_LINES_MS_MAX = 1000;

export async function run(exec: Exec): Promise<number> {
  const { args: [words], options, context } = exec;
  if (options.deliver) return await deliver(exec, words);
  const isGone = (error: unknown) => error instanceof OutputClosedError;
  const screens = {
    stdout: new SharedScreen(context.stdout, isGone),
    stderr: new SharedScreen(context.stderr, isGone),
  };
  const call = { ...exec, screens };
  const [command, ...args] = words;
  if (command === undefined) {
    throw new UsageError("No command is given: put it after --, as in `airunner exec -- make test`");
  }
  try {
    return await runRecorded(call, { command, args, metadata: metadataOf(options) });
  } finally {
    const over = new AbortController();
    const settled = screens.stderr.settled().finally(() => over.abort());
    await Promise.race([settled, context.clock.sleep(LAST_LINES_MS_MAX, over.signal)]);
  }
}

/** Names under `airunner.` are ours. */
function metadataOf({ name, label }: Exec["options"]): Record<string, string> {
  const labels = label.map((text) => parsePair("--label", text));
  const ours = labels.find(([key]) => key.startsWith("airunner."));
  if (ours) throw new UsageError(`Cannot use the label ${ours[0]}: names that begin with airunner. are ours`);
  return { ...Object.fromEntries(labels), ...name === undefined ? {} : { "airunner.name": name } };
}

interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

async function runRecorded(call: Run, { command, args, metadata }: Command): Promise<number> {
  const { context, options, settings, screens } = call;
  const { clock, randomBytes, processes } = context;
  const jobId = createUuid7(() => clock.nowMs(), randomBytes)();
  const opened = await openLog(call, { jobId, command, args, metadata });
  const lenient = opened && !options.requireLog ? lenientLog(call, opened.log) : undefined;
  const log: EventLog = lenient ?? opened?.log ?? NO_LOG;
  const shown = passThrough(processes, {
    stdout: showOn(screens, "stdout"),
    stderr: showOn(screens, "stderr"),
  });
  let end: CommandEnd;
  try {
    end = await runCommand({
      jobId,
      command,
      args,
      environment: context.environment(),
      log,
      limits: execLimits(settings),
      passThrough: shown,
      clock,
      logger: problemsOnly(call),
      takeSignals: (handler) => context.signals.takeAll(handler),
      onExited: () => lenient?.lastEvents(),
    });
  } finally {
    await opened?.[Symbol.asyncDispose]();
  }
  if (end.problem !== undefined) say(call, end.problem);
  if (lenient && lenient.eventsLeftOut > 0) {
    say(
      call,
      `${counted(lenient.eventsLeftOut, "event")} of job ${jobId} could not be recorded and are missing`,
    );
  }
  if (opened) await handOver(call, jobId);
  return end.exitCode;
}

/** @throws {CommandError} with --require-log, when there is none */
async function openLog(call: Run, command: Command & { jobId: string }): Promise<OpenedLog | undefined> {
  const { context, options, settings } = call;
  try {
    if (settings.dataDir === `${NO_HOME}/.airunner`) {
      throw new Error("there is no home directory; set HOME, or AIRUNNER_DATA_DIR");
    }
    const log = {
      ...settings,
      ...context,
      serverUrl: settings.server === undefined ? "" : parseServerUrl(settings.server),
      workerName: settings.workerName ?? context.hostname(),
      version: VERSION,
      settings: deliverySettings(settings),
      observe: {},
    };
    return await openCommandLog(log, command, silentLogger);
  } catch (error) {
    const what = `Cannot record the command: ${messageOf(error)}`;
    if (options.requireLog) {
      const next = "Nothing was run, because of --require-log.";
      throw new CommandError(what, ExitCode.FAILED, next, { cause: error });
    }
    say(call, `${what}. It is run all the same, and its output is shown and nowhere else`);
    return undefined;
  }
}

function lenientLog(call: Run, log: EventLog): LenientLog {
  return new LenientLog(log, call.context.clock, {
    stopped: (why) =>
      say(
        call,
        `Cannot record output: ${why}. The command goes on; what it prints now is shown and not recorded`,
      ),
    resumed: (events) => say(call, `Recording again; ${counted(events, "event")} were left out`),
  });
}

/** Has the log delivered, or says what to type. */
async function handOver(call: Run, jobId: string): Promise<void> {
  const { context, options, settings } = call;
  const replay = (server: string) => `airunner wal replay ${jobId} --server=${server}`;
  if (settings.server === undefined) {
    if (!options.quiet) {
      say(call, `Recorded as job ${jobId}; no server is set. Deliver it with: ${replay("URL")}`);
    }
    return;
  }
  if (options.wait) {
    const isDelivered = await deliverHere(call, problemsOnly(call)).catch((
      error,
    ) => (say(call, messageOf(error)), false));
    if (!isDelivered) say(call, `Not delivered yet. Try again with: ${replay(shellWord(settings.server))}`);
    else if (!options.quiet) say(call, `Delivered as job ${jobId}`);
    return;
  }
  try {
    context.processes.startBehind(["exec", "--deliver", ...ownWords(context.args)]);
    if (!options.quiet) say(call, `Recorded as job ${jobId}; it is being delivered to ${settings.server}`);
  } catch (error) {
    say(
      call,
      `Recorded as job ${jobId}, and not delivered: ${messageOf(error)}. Try: ${
        replay(shellWord(settings.server))
      }`,
    );
  }
}

/** What was typed for us, without the command's own name and the words behind --. */
function ownWords(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.slice(args.indexOf("exec") + 1, end < 0 ? undefined : end);
}

async function deliver(call: Exec, words: readonly string[]): Promise<number> {
  if (words.length > 0) throw new UsageError("--deliver runs nothing: leave the command out");
  return await deliverHere(call, call.logger) ? ExitCode.DONE : ExitCode.FAILED;
}

/** @throws CommandError and the like where nothing can be delivered */
async function deliverHere(call: Exec, logger: Logger): Promise<boolean> {
  const { context, settings } = call;
  const transport = await connectTransport(requireServer(settings), context);
  const signals = stopSignals(context.signals, logger);
  try {
    return await deliverLogs({
      transport,
      serverUrl: transport.server,
      queue: settings.queue,
      workerName: settings.workerName ?? context.hostname(),
      version: VERSION,
      walDir: settings.walDir,
      archiveDir: settings.archiveDir,
      settings: deliverySettings(settings),
      host: context,
      logger,
      stop: signals.drain,
    });
  } finally {
    signals.release();
    transport.close();
  }
}

/**
 * That it cannot be shown takes nothing from its being recorded; only a reader that has gone ends the
 * command.
 */
function showOn(screens: Screens, name: "stdout" | "stderr"): (bytes: Uint8Array) => Promise<boolean> {
  let isBroken = false;
  return async (bytes) => {
    if (isBroken) return true;
    try {
      return await screens[name].show(bytes);
    } catch (error) {
      isBroken = true;
      sayOn(screens, `Cannot show any more of ${name}: ${messageOf(error)}. It is recorded all the same`);
      return true;
    }
  };
}

function say({ screens }: Pick<Run, "screens">, line: string): void {
  sayOn(screens, line);
}

/** Never waited for: a terminal that does not take it must not hold up the command. */
function sayOn({ stderr }: Screens, line: string): void {
  stderr.show(`airunner: ${line}\n`).catch(() => {});
}

/**
 * What happens to the command is in its log; of a wrapper's own lines only problems belong among its output.
 */
function problemsOnly(call: Run): Logger {
  return createEntryLogger("warn", ({ message }) => say(call, message), () => call.context.clock.nowMs());
}
