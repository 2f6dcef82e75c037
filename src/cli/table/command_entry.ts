/**
 * The shape of a row of the command table, and the check that a row fits the code that it loads.
 */
import type { Command } from "@commander-js/extra-typings";
import type { SettingName } from "../../config/settings.ts";
import type { Call } from "../call.ts";

export interface CommandEntry {
  /** Words after the program's name. */
  readonly path: string;
  readonly summary: string;
  readonly settings: readonly SettingName[];
  /** Works whatever is in the configuration file, because it does not read it or is there to mend it. */
  readonly ignoresConfigFile?: true;
  /** Goes on without a home directory, where nothing can be written then. */
  readonly needsNoHome?: true;
  /** The exit code of every failure of ours, for commands that otherwise end as another program does. */
  readonly exitCodeOfOurs?: number;
  /** Its code looks at what the other commands take. */
  readonly readsTable?: true;
  /** The file in DATA-DIR/logs that its log lines go to as well, and whether they do so unasked. */
  readonly logFile?: { readonly name: string; readonly isDefault: boolean };
  /** Lines to type, each with what it does. */
  readonly examples: readonly (readonly [line: string, effect: string])[];
  /** One sentence. */
  readonly exitCodes: string;
  // The table holds commands of many types; `entry` has checked each of them before its type is forgotten
  // here.
  // deno-lint-ignore no-explicit-any
  readonly define: (command: Command) => Command<any, any, any>;
  // deno-lint-ignore no-explicit-any
  readonly load: () => Promise<{ readonly run: (call: any) => Promise<number> }>;
}

// deno-lint-ignore no-explicit-any
type AnyCommand = Command<any, any, any>;

/** What commander gives to the action of a command, from the arguments and options that were defined. */
type CallOf<C extends AnyCommand, N extends SettingName> = C extends Command<infer A, infer O, infer _G>
  ? Call<A, O, N>
  : never;

/**
 * Checks that the code of a command takes what its definition gives: arguments, options and settings.
 * `run` is a property: a method's parameters would be checked in both directions, so hardly at all.
 */
export function entry<C extends AnyCommand, const N extends SettingName>(spec: {
  readonly path: string;
  readonly summary: string;
  readonly settings: readonly N[];
  readonly ignoresConfigFile?: true;
  readonly needsNoHome?: true;
  readonly exitCodeOfOurs?: number;
  readonly readsTable?: true;
  readonly logFile?: CommandEntry["logFile"];
  readonly examples: CommandEntry["examples"];
  readonly exitCodes: string;
  readonly define: (command: Command) => C;
  readonly load: () => Promise<{ readonly run: (call: CallOf<C, N>) => Promise<number> }>;
}): CommandEntry {
  return spec;
}
