/**
 * What can be typed where, taken from the parser itself: completion cannot forget a command, an option or a
 * value that the program has.
 */
import type { Command, Option } from "@commander-js/extra-typings";
import { type Setting, SETTINGS } from "../../config/settings.ts";
import { TOPICS } from "../help/topics.ts";
import { SHELLS } from "./shells.ts";

/** What stands at a place: one of some words, or what the shell itself knows. */
export interface Completes {
  readonly words: readonly string[];
  readonly kind: "words" | "file" | "directory" | "program" | "nothing";
}

export interface OptionWords {
  readonly long: string;
  readonly description: string;
  /** Whether a value follows: in the next word or behind `=`, behind `=` alone, or never. */
  readonly value: "required" | "optional" | "none";
  readonly completes: Completes;
}

export interface CommandWords {
  /** Words after the program's name; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly OptionWords[];
  /** Of every argument that is no option. */
  readonly argument: Completes;
}

const NOTHING: Completes = { kind: "nothing", words: [] };

/** The program, its groups and its commands, each with what follows it. */
export function commandWords(root: Command): CommandWords[] {
  const nodes: CommandWords[] = [];
  const visit = (command: Command, path: string) => {
    const commands = command.commands.map((child) => ({ name: child.name(), summary: child.summary() }));
    const topics = path === "help"
      ? [...root.commands.map((child) => child.name()), ...TOPICS.map(({ name }) => name)]
      : [];
    nodes.push({
      path,
      commands,
      options: optionsOf(command),
      argument: topics.length > 0 ? { kind: "words", words: topics } : argumentOf(command),
    });
    for (const child of command.commands) {
      visit(child as Command, path === "" ? child.name() : `${path} ${child.name()}`);
    }
  };
  visit(root, "");
  // `help` takes the words of a command as well.
  for (const { path, commands } of nodes.filter(({ path, commands }) => path !== "" && commands.length > 0)) {
    nodes.push({ path: `help ${path}`, commands, options: [], argument: NOTHING });
  }
  return nodes;
}

function optionsOf(command: Command): OptionWords[] {
  const help: OptionWords = { long: "--help", description: "show help", value: "none", completes: NOTHING };
  return [...command.options.filter(({ hidden, long }) => !hidden && long).map(optionOf), help];
}

function optionOf(option: Option): OptionWords {
  const setting = Object.values<Setting>(SETTINGS).find(({ flag }) => flag === option.long);
  return {
    long: option.long!,
    // What is in brackets is for whoever reads help at leisure.
    description: option.description.replace(/ \([^()]*\)$/, ""),
    value: option.required ? "required" : option.optional ? "optional" : "none",
    completes: completesOf(setting?.type.words ?? option.argChoices, option.flags),
  };
}

function argumentOf(command: Command): Completes {
  const [argument] = command.registeredArguments;
  if (argument === undefined) return NOTHING;
  if (argument.name() === "shell") return { kind: "words", words: SHELLS };
  return completesOf(argument.argChoices, argument.name());
}

/** The placeholder says what stands for it: `<PATH>`, `<FILE>`, `<job|file|->`, `[command...]`. */
function completesOf(words: readonly string[] | undefined, placeholder: string): Completes {
  if (words !== undefined) return { kind: "words", words };
  if (/\bDIR\b/.test(placeholder) || /-dir\b/.test(placeholder)) return { kind: "directory", words: [] };
  if (/\b(file|path|archive)\b/i.test(placeholder.replace(/^--[\w-]+/, ""))) {
    return { kind: "file", words: [] };
  }
  return /\bcommand\b/.test(placeholder) ? { kind: "program", words: [] } : NOTHING;
}
