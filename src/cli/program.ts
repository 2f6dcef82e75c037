/**
 * Turns the command table into a parser, and a parsed command line into a call of one command.
 */
import { Command } from "@commander-js/extra-typings";
import { nearest } from "../config/nearest.ts";
import type { SettingName } from "../config/settings.ts";
import { type Call, COMMON_SETTINGS } from "./call.ts";
import type { CommandEntry } from "./table/command_entry.ts";
import { openCommandLog } from "./command_log.ts";
import { COMMANDS, GROUPS } from "./table/commands.ts";
import type { Context } from "./context.ts";
import { exitOnCrash } from "./crash_log.ts";
import { UsageError } from "./command_error.ts";
import { colorStyle, plainStyle } from "../platform/text.ts";
import {
  addCommonOptions,
  addSettingOptions,
  configFlagOf,
  typedSettings,
} from "./settings/setting_options.ts";
import { findTopic, topicList, TOPICS } from "./help/topics.ts";
import { SettingsLoader } from "./settings/settings_loader.ts";
import { VERSION } from "../platform/version.ts";

/** Help where the terminal's width is unknown. */
const HELP_COLUMNS = 100;

/** What commander printed: it writes without waiting, our outputs wait. */
export interface Printed {
  stdout: string;
  stderr: string;
}

export interface Program {
  /** Runs the command line; resolves to the exit code. Rejects with commander's error or the command's. */
  run(): Promise<number>;
  readonly printed: Printed;
  /** The line to type for help with what was typed. */
  helpLine(): string;
  /** What a failure of ours ends with, where the command that was typed has an exit code for that. */
  exitCodeOfOurs(): number | undefined;
}

export function createProgram(context: Context, logSink: (line: string) => void): Program {
  const printed: Printed = { stdout: "", stderr: "" };
  let exitCode = 0;
  const root = createRoot(context, printed);
  const asked = askedEntries(context.args);
  for (const entry of COMMANDS) {
    const words = entry.path.split(" ");
    const parent = words.length === 1 ? root : groupOf(root, words[0]);
    const command = prepare(parent, new Command(words.at(-1)), entry.summary);
    // What the others take is not asked for then, and defining it would take a tenth of a short command's
    // time.
    if (!asked.includes(entry)) continue;
    entry.define(command);
    addSettingOptions(command, entry.settings.filter((name) => !isCommon(name)), "Settings:");
    addCommonOptions(command);
    command.addHelpText("after", () => helpAfter(entry, command));
    command.action(async (...params: unknown[]) => {
      exitCode = await runEntry(context, entry, params, logSink);
    });
  }
  addHelpCommand(root, printed);
  return {
    printed,
    async run() {
      await root.parseAsync([...context.args], { from: "user" });
      return exitCode;
    },
    helpLine: () => `airunner help${pathOf(deepest(root, context.args))}`,
    exitCodeOfOurs() {
      const path = pathOf(deepest(root, context.args)).trim();
      return COMMANDS.find((entry) => entry.path === path)?.exitCodeOfOurs;
    },
  };
}

/** The entries whose arguments and options may matter: one if the first words name it in full. */
function askedEntries(args: readonly string[]): readonly CommandEntry[] {
  if (args[0] === "--version") return [];
  const named = COMMANDS.filter(({ path }) => path.split(" ").every((word, at) => word === args[at]));
  return named.length === 0 || named.some(({ readsTable }) => readsTable) ? COMMANDS : named;
}

function isCommon(name: SettingName): boolean {
  return (COMMON_SETTINGS as readonly SettingName[]).includes(name);
}

/** The command that the first words lead to. */
function deepest(root: Command, words: readonly string[]): Command {
  let at = root;
  for (const word of words) {
    const next = at.commands.find((command) => command.name() === word);
    if (!next) break;
    at = next as Command;
  }
  return at;
}

function createRoot(context: Context, printed: Printed): Command {
  const columns = context.stdout.columns ?? HELP_COLUMNS;
  const root = new Command("airunner");
  root.exitOverride()
    .configureOutput({
      writeOut: (text) => void (printed.stdout += text),
      writeErr: (text) => void (printed.stderr += text),
      // The message is in the error that follows, and report.ts says it.
      outputError: () => {},
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .description(
      "Takes jobs from a server, runs them, and delivers every byte of their output through a write-ahead log.",
    )
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false)
    // Options of a command come after its name. Words after `--` are never ours.
    .enablePositionalOptions();
  root.addHelpText(
    "after",
    `\n${topicList()}\nType \`airunner help COMMAND\` for its options, examples and exit codes,\nor \`airunner help TOPIC\`.`,
  );
  return root;
}

/**
 * A command can be a group as well: `airunner server` runs one, and `airunner server backup` copies its data.
 */
function groupOf(root: Command, word: string): Command {
  const known = root.commands.find((command) => command.name() === word) as Command | undefined;
  return known ?? prepare(root, new Command(word), GROUPS[word]);
}

/** Inherits the root's output and error handling, which `addCommand` alone would not do. */
function prepare(parent: Command, command: Command, summary: string): Command {
  parent.addCommand(command.copyInheritedSettings(parent));
  return command.description(sentence(summary)).summary(summary).helpOption("-h, --help", "show help");
}

function addHelpCommand(root: Command, printed: Printed): void {
  const help = prepare(root, new Command("help"), "show help of a command, or on a topic");
  help.argument("[command|topic...]", "words of a command, such as: wal inspect; or a topic").action(
    (words) => {
      const topic = findTopic(words);
      if (topic !== undefined) {
        printed.stdout += topic.text;
        return;
      }
      let at: Command = root;
      for (const word of words) {
        const next = at.commands.find((command) => command.name() === word);
        if (!next) throw unknownHelp(at, word, words);
        at = next as Command;
      }
      at.help();
    },
  );
}

/** Commander knows how to suggest; it does so for words that it has to parse. */
function unknownHelp(at: Command, word: string, words: readonly string[]): UsageError {
  const commands = at.commands.map((command) => command.name());
  const isTop = at.parent === null;
  const guess = isTop
    ? nearest(words.join(""), TOPICS.map(({ name }) => name)) ?? nearest(word, commands)
    : nearest(word, commands);
  return new UsageError(
    `Unknown command ${isTop ? "or topic " : ""}'${word}'${
      guess === undefined ? "" : `. Did you mean ${guess}?`
    }`,
    isTop
      ? "Type `airunner help` for the commands and topics."
      : `Type \`airunner${pathOf(at)} --help\` for the commands.`,
  );
}

/**
 * Options that were typed before the last word of a command that is in a group, such as `airunner server
 * --data=FILE backup …`, count for it as if they came after. @throws {UsageError} for one that it does not
 * have, because leaving it out unsaid would do something else than was asked for
 */
function takeOptionsBefore(command: Command): void {
  const { parent } = command;
  if (!parent) return;
  for (const option of parent.options) {
    const name = option.attributeName();
    if (parent.getOptionValueSource(name) !== "cli") continue;
    if (!command.options.some((own) => own.attributeName() === name)) {
      throw new UsageError(`${option.long} is no option of airunner${pathOf(command)}`);
    }
    if (command.getOptionValueSource(name) !== "cli") {
      command.setOptionValueWithSource(name, parent.getOptionValue(name), "cli");
    }
  }
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent as Command) : command;
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent as Command)} ${command.name()}` : "";
}

function helpAfter(entry: CommandEntry, command: Command): string {
  const examples = entry.examples.map(([line, effect]) => `  ${line}\n      ${effect}`).join("\n");
  const columns = command.configureOutput().getOutHelpWidth?.() ?? HELP_COLUMNS;
  const exitCodes = command.createHelp().boxWrap(`Exit codes: ${entry.exitCodes}`, columns);
  return `\nExamples:\n${examples}\n\n${exitCodes}`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + ".";
}

async function runEntry(
  context: Context,
  entry: CommandEntry,
  params: readonly unknown[],
  logSink: (line: string) => void,
): Promise<number> {
  // Commander calls an action with the arguments, then the options, then the command.
  const command = params.at(-1) as Command;
  takeOptionsBefore(command);
  const options = command.opts() as Record<string, unknown>;
  const names: SettingName[] = [...new Set<SettingName>([...COMMON_SETTINGS, ...entry.settings])];
  const loader = new SettingsLoader({
    context,
    names,
    typed: typedSettings(options, names),
    configFlag: configFlagOf(command),
    readsFile: !entry.ignoresConfigFile,
    needsNoHome: entry.needsNoHome,
  });
  const { values: settings, ...loaded } = await loader.load();
  const colored = context.stdout.isTerminal && !context.env("NO_COLOR") && options.color !== false;
  const log = openCommandLog(entry, settings, context.clock, logSink);
  const call: Call<unknown[], unknown, SettingName> = {
    context,
    root: rootOf(command),
    args: params.slice(0, -2),
    options,
    settings,
    loaded,
    reload: () => loader.load(),
    setLogLevel: log.setLevel,
    logger: log.logger,
    style: colored ? colorStyle : plainStyle,
  };
  const release = entry.logFile === undefined ? () => {} : exitOnCrash(context, log.logger);
  try {
    return await (await entry.load()).run(call);
  } catch (error) {
    log.ended(error);
    throw error;
  } finally {
    release();
    log.close();
  }
}
