/**
 * The one place where an error becomes what the user reads and what the shell gets. What is imported here is
 * loaded by every command, `--version` too, so that errors of other parts are classes in small files of their
 * own.
 */
import { SettingError } from "../config/resolve.ts";
import { ConfigFileError } from "../config/config_file_error.ts";
import { YamlError } from "../config/yaml_error.ts";
import { CallError } from "../client/call_error.ts";
import { CaFileError } from "../client/ca_file_error.ts";
import { CredentialsError } from "../client/credentials_error.ts";
import { escapeControls } from "../platform/logging/format.ts";
import { ServerError } from "../client/server_error.ts";
import { CommandError } from "./command_error.ts";
import { ExitCode } from "../screens/exit_code.ts";
import { nextStep } from "./next_step.ts";
import { OutputClosedError } from "../screens/output.ts";

export interface Report {
  exitCode: number;
  /** Lines for stderr; empty when there is nothing to say. */
  lines: string[];
}

export function reportError(error: unknown, debug: boolean): Report {
  const report = classify(error);
  if (debug && report.lines.length > 0) report.lines.push(...stackLines(error));
  return report;
}

function classify(error: unknown): Report {
  // The reader has what it wanted: `airunner list | head -1` is a success, and says nothing.
  if (error instanceof OutputClosedError) return { exitCode: ExitCode.DONE, lines: [] };
  if (error instanceof CommandError) return said(error.exitCode, error.message, error.next);
  if (isCommanderError(error)) return usage(error);
  if (error instanceof SettingError) {
    return error.origin === "flag"
      ? said(ExitCode.USAGE, error.message)
      : said(ExitCode.CONFIGURATION, error.message);
  }
  if (error instanceof ServerError) return serverReport(error);
  if (!(error instanceof Error)) return said(ExitCode.FAILED, String(error));
  return domain(error);
}

function serverReport({ kind, message }: ServerError): Report {
  switch (kind) {
    case "authentication":
      return said(
        ExitCode.AUTHENTICATION,
        message,
        "`airunner keys list` shows who you are; the server must list that key, with a role that allows it:\n" +
          "`airunner help authentication`.",
      );
    case "unreachable":
      return said(
        ExitCode.UNREACHABLE,
        message,
        "Check the address and whether the server runs, then try again.",
      );
    case "refused":
      return said(ExitCode.FAILED, message);
    case "not_offered":
      return said(
        ExitCode.FAILED,
        message,
        "An airunner server of this version or newer does; other servers know submit, list and logs.",
      );
  }
}

/** Errors that parts of the program throw for the user to read. */
function domain(error: Error): Report {
  if (error instanceof YamlError) {
    return { exitCode: ExitCode.CONFIGURATION, lines: yamlProblemLines(error).map(escapeControls) };
  }
  if (error instanceof ConfigFileError) {
    return said(
      ExitCode.CONFIGURATION,
      error.message,
      "Nothing was done. `airunner help config` says which files are looked for.",
    );
  }
  if (error instanceof CredentialsError || error instanceof CaFileError) {
    return said(ExitCode.CONFIGURATION, error.message);
  }
  if (error instanceof CallError) {
    const isAuthentication = error.kind === "authentication";
    return said(isAuthentication ? ExitCode.AUTHENTICATION : ExitCode.UNREACHABLE, error.message);
  }
  // Whoever wrapped an error tells of it in other words, and the same helps.
  return said(ExitCode.FAILED, error.message || error.name, nextStep(error) ?? nextStep(error.cause));
}

/** More than a screen of them is mended in more than one go. */
const PROBLEMS_SHOWN_MAX = 20;

/** Every problem with its place, as `file, line 3, column 1: …`, and the line that it is in. */
function yamlProblemLines({ path, problems }: Pick<YamlError, "path" | "problems">): string[] {
  const lines = problems.slice(0, PROBLEMS_SHOWN_MAX).flatMap(({ line, column, reason, excerpt }) => [
    `${path}, line ${line}, column ${column}: ${reason}`,
    ...excerpt.split("\n").map((text) => `  ${text}`),
  ]);
  const more = problems.length - PROBLEMS_SHOWN_MAX;
  if (more > 0) lines.push(`and ${more} more`);
  return [...lines, "Nothing was done. Mend the file and type the command again."];
}

interface CommanderErrorShape extends Error {
  code: string;
  exitCode: number;
}

// Commander's class is not imported here either, so that this file stays free of it.
function isCommanderError(error: unknown): error is CommanderErrorShape {
  return error instanceof Error && "code" in error && String(error.code).startsWith("commander.");
}

function usage(error: CommanderErrorShape): Report {
  // Help and version were asked for and have been printed.
  if (error.exitCode === 0) return { exitCode: ExitCode.DONE, lines: [] };
  // A group without a command prints its help instead of a message.
  if (error.code === "commander.help") return { exitCode: ExitCode.USAGE, lines: [] };
  const text = error.message.replace(/^error: /, "").replace(
    /\n\(Did you mean (.*)\?\)$/s,
    ". Did you mean $1?",
  );
  return said(ExitCode.USAGE, text.charAt(0).toUpperCase() + text.slice(1));
}

function said(exitCode: number, message: string, next?: string): Report {
  const lines = [...message.split("\n"), ...(next ? next.split("\n") : [])];
  return { exitCode, lines: lines.map(escapeControls) };
}

function stackLines(error: unknown): string[] {
  const lines: string[] = [];
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = current.cause, depth++
  ) {
    if (depth > 0) lines.push(`Caused by: ${current.name}: ${current.message}`);
    lines.push(...(current.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)));
  }
  return lines.map(escapeControls);
}
