/**
 * The screens of `config show`: the settings in force as YAML, as a table with their origins, and as JSON.
 * Pure.
 */
import type { ConfigLocations } from "../config/config_location.ts";
import { SECTIONS, yamlScalar } from "../config/config_template.ts";
import type { ValueOrigin } from "../config/resolve.ts";
import { type Setting, type SettingName, SETTINGS } from "../config/settings.ts";
import { formatTable, shown, type Style } from "../platform/text.ts";

export interface ConfigScreen {
  readonly values: Readonly<Record<SettingName, unknown>>;
  readonly origins: Readonly<Record<SettingName, ValueOrigin>>;
  /** Of the file that was read. */
  readonly path: string | undefined;
  readonly locations: ConfigLocations;
}

const NAMES = SECTIONS.flatMap(({ names }) => names);

/** What a value is in the file; undefined when nothing sets it and its default is no value. */
function textOf(name: SettingName, { values }: ConfigScreen): string | undefined {
  const setting: Setting = SETTINGS[name];
  const value = values[name];
  return value === undefined ? undefined : setting.type.format(value);
}

function without(name: SettingName): string {
  return `(${(SETTINGS[name] as Setting).defaultText ?? "none"})`;
}

/** Can be saved as a configuration file: what is not set is a comment. */
export function renderSettings(screen: ConfigScreen): string {
  let text = `# ${shown(fileLine(screen))}\n`;
  let group: string | undefined;
  for (const name of NAMES) {
    const [first, second] = SETTINGS[name].key.split(".");
    if (second !== undefined && group !== first) text += `${first}:\n`;
    group = second === undefined ? undefined : first;
    const value = textOf(name, screen);
    const key = second === undefined ? first : `  ${second}`;
    text += value === undefined ? `#${key}: ${without(name)}\n` : `${key}: ${shown(yamlScalar(value))}\n`;
  }
  return text;
}

export function renderOrigins(screen: ConfigScreen, style: Style): string {
  const rows = NAMES.map((name) => {
    const { origin, where, line } = screen.origins[name];
    const from = origin === "file"
      ? `file, line ${line}`
      : origin === "default"
      ? origin
      : `${origin} ${where}`;
    return [SETTINGS[name].key, from, shown(textOf(name, screen) ?? without(name))];
  });
  const columns = [{ title: "SETTING" }, { title: "FROM" }, { title: "VALUE" }];
  const set = NAMES.filter((name) => screen.origins[name].origin !== "default").length;
  return formatTable(columns, rows, style) +
    `\n${
      shown(fileLine(screen))
    }\n${set} of ${NAMES.length} settings are set; the others have their default\n`;
}

/** Which file, and why that one. */
function fileLine({ path, locations: { named, candidates } }: ConfigScreen): string {
  if (path === undefined) return `No configuration file; looked for ${candidates.join(", ")}`;
  return named === undefined
    ? `Configuration file: ${path}`
    : `Configuration file: ${path}, named by ${named.where}`;
}

export function configJson(screen: ConfigScreen) {
  const { path, locations: { named, candidates } } = screen;
  return {
    schema_version: 1,
    config_file: path ?? null,
    looked_for: named === undefined ? candidates : [named.path],
    settings: NAMES.map((name) => {
      const setting: Setting = SETTINGS[name];
      const { origin, where, line } = screen.origins[name];
      return {
        key: setting.key,
        value: jsonValue(screen.values[name], textOf(name, screen)),
        origin,
        where: origin === "default" ? null : where,
        line: line ?? null,
        flag: setting.flag,
        variable: setting.variable,
        reloadable: setting.isReloadable ?? false,
      };
    }),
  };

  /** Numbers without a unit and booleans as such; what has a unit as it is written, with it. */
  function jsonValue(value: unknown, text: string | undefined): string | number | boolean | null {
    if (typeof value === "boolean") return value;
    return text === undefined ? null : /^\d+(\.\d+)?$/.test(text) && typeof value === "number" ? value : text;
  }
}
