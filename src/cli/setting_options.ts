/**
 * The table of settings as options of a command, and what was typed as a source of settings.
 */
import { Option } from "@commander-js/extra-typings";
import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { boolean } from "../config/value_type.ts";

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
