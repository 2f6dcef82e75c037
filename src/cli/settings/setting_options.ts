/**
 * The table of settings as options of a command, and what was typed as a source of settings.
 */
import { type Command, Option } from "@commander-js/extra-typings";
import { CONFIG_FLAG, CONFIG_VARIABLE } from "../../config/config_location.ts";
import { type Setting, type SettingName, SETTINGS } from "../../config/settings.ts";
import { boolean } from "../../config/value_type.ts";
import { COMMON_SETTINGS } from "../call.ts";

/** Commander's own types would have to know the settings; this is the little that is used of a command. */
interface OptionHolder {
  addOption(option: Option): unknown;
}

export function addSettingOptions(command: OptionHolder, names: readonly SettingName[], group: string): void {
  for (const name of names) {
    const setting: Setting = SETTINGS[name];
    const isBoolean = setting.type === boolean as unknown;
    const value = isBoolean ? `[${setting.type.placeholder}]` : `<${setting.type.placeholder}>`;
    const option = new Option(`${setting.flag} ${value}`, describe(setting)).helpGroup(group);
    command.addOption(option as Option);
    if (isBoolean) {
      const negated = new Option(setting.flag.replace("--", "--no-"), `same as ${setting.flag}=false`);
      command.addOption(negated.hideHelp() as unknown as Option);
    }
  }
}

const COMMON_GROUP = "Common options:";

/** The options that every command has; to be added last. */
export function addCommonOptions(command: Command): void {
  // A job file is another thing: where a command has an option of that name, the variable has to do.
  if (!command.options.some(({ long }) => long === CONFIG_FLAG)) {
    const description =
      `configuration file; \`airunner help config\` says where it is looked for (${CONFIG_VARIABLE})`;
    command.addOption(command.createOption(`${CONFIG_FLAG} <FILE>`, description).helpGroup(COMMON_GROUP));
  }
  addSettingOptions(command, COMMON_SETTINGS, COMMON_GROUP);
  command.addOption(command.createOption("--debug", "show where an error came from").helpGroup(COMMON_GROUP));
  command.addOption(command.createOption("--no-color", "no colour (NO_COLOR)").helpGroup(COMMON_GROUP));
}

/** What `--config` says of the configuration file. */
export function configFlagOf(command: Command): string | undefined {
  const option = command.options.find(({ long }) => long === CONFIG_FLAG);
  if (option?.helpGroupHeading !== COMMON_GROUP) return undefined;
  return (command.opts() as { config?: string }).config;
}

function describe(setting: Setting): string {
  const fallback = setting.defaultText ??
    (setting.default === undefined ? undefined : setting.type.format(setting.default));
  const facts = [fallback && `default: ${fallback}`, setting.variable].filter(Boolean).join("; ");
  return `${setting.description} (${facts})`;
}

/** The texts given for settings, by setting. `options` are commander's, under camel-cased flags. */
export function typedSettings(
  options: Readonly<Record<string, unknown>>,
  names: readonly SettingName[],
): Partial<Record<SettingName, string>> {
  const typed: Partial<Record<SettingName, string>> = {};
  for (const name of names) {
    const attribute = SETTINGS[name].flag.slice(2).replace(
      /-(\w)/g,
      (_match, letter) => letter.toUpperCase(),
    );
    const value = options[attribute];
    if (value !== undefined) typed[name] = String(value);
  }
  return typed;
}
