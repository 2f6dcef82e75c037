/**
 * The log of one run of a command: lines to standard error, and to a file as well for those commands that run
 * for weeks, because whoever looks into it was not there when it happened.
 *
 * Lines on standard error carry no time: journald, containers and CI systems add theirs, and lines stay what
 * the runbook shows. Lines in the file do, and JSON always does.
 */
import type { SettingValues } from "../config/settings.ts";
import type { Clock } from "../platform/clock.ts";
import { LineFile } from "../platform/logging/file.ts";
import { lineFileSink } from "../platform/logging/file_sink.ts";
import { formatJson, formatText, formatTimedText } from "../platform/logging/format.ts";
import {
  allSinks,
  createEntryLogger,
  type EntrySink,
  type LineSink,
  type Logger,
  type LogLevel,
} from "../platform/logging/logger.ts";
import { CommandError } from "./command_error.ts";
import type { CommandEntry } from "./table/command_entry.ts";
import { ExitCode } from "../screens/exit_code.ts";
import { reportError } from "./report.ts";

export interface CommandLog {
  readonly logger: Logger;
  setLevel(level: LogLevel): void;
  /** Puts into the file why the command ended. On the terminal whoever reports the error says so. */
  ended(error: unknown): void;
  close(): void;
}

type LogSettings = SettingValues<
  "dataDir" | "logLevel" | "logFormat" | "logFile" | "logFileMaxBytes" | "logFileCount"
>;

/** Settings of the file are looked at only for commands that have one; they have those settings. */
export function openCommandLog(
  entry: Pick<CommandEntry, "path" | "logFile">,
  settings: LogSettings,
  clock: Clock,
  lineSink: LineSink,
): CommandLog {
  const isJson = settings.logFormat === "json";
  const nowMs = () => clock.nowMs();
  let level = settings.logLevel;
  const setLevel = (next: LogLevel) => void (level = next);
  const console: EntrySink = (entry) => lineSink(isJson ? formatJson(entry) : formatText(entry));
  if (entry.logFile === undefined || !(settings.logFile ?? entry.logFile.isDefault)) {
    return { logger: createEntryLogger(() => level, console, nowMs), setLevel, ended() {}, close() {} };
  }
  const file = new LineFile({
    path: `${settings.dataDir}/logs/${entry.logFile.name}`,
    bytesMax: settings.logFileMaxBytes,
    countMax: settings.logFileCount,
  });
  const fileSink = lineFileSink({
    file,
    format: isJson ? formatJson : formatTimedText,
    console,
    elapsedMs: () => clock.elapsedMs(),
  });
  return {
    // The file first: what was seen on the terminal is in it, even if we are killed in between.
    logger: createEntryLogger(() => level, allSinks(fileSink, console), nowMs),
    setLevel,
    ended(error) {
      const { exitCode, lines } = reportError(error, false);
      // Who mistyped a command reads it at once, and nothing has run.
      if (exitCode === ExitCode.USAGE || exitCode === ExitCode.DONE) return;
      createEntryLogger("error", fileSink, nowMs).error("Command ended with an error", {
        command: entry.path,
        exit_code: exitCode,
        error: lines.join(" "),
        stack: error instanceof Error && !(error instanceof CommandError) ? error.stack : undefined,
      });
    },
    close: () => file.close(),
  };
}
