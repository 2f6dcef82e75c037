/**
 * Merges the sources of settings: flag over environment over file over default. Nothing here depends on how
 * many sources there are: the first that has a setting wins.
 */
import { withoutSecrets } from "./secrets.ts";
import { type Setting, type SettingName, SETTINGS, type SettingValues } from "./settings.ts";

/** What a source says about one setting: the text, and where exactly it was read. */
export interface Found {
  readonly text: string;
  /** Fit for a message: `--queue`, `AIRUNNER_QUEUE`, `config.yaml line 3, column 8`. */
  readonly where: string;
  /** For a file: the line, from 1 on. */
  readonly line?: number;
  /**
   * For a file: its directory, from which a relative path leads on. Elsewhere that is where the program was
   * started.
   */
  readonly directory?: string;
}

export interface Source {
  readonly origin: "flag" | "environment" | "file";
  find(name: SettingName, setting: Setting): Found | undefined;
}

export type Origin = Source["origin"] | "default";

/** Where a value came from. `where` is empty for a default. */
export interface ValueOrigin {
  readonly origin: Origin;
  readonly where: string;
  readonly line?: number;
}

export interface Resolved<N extends SettingName> {
  readonly values: SettingValues<N>;
  readonly origins: Readonly<Record<N, ValueOrigin>>;
}

/** A setting's text is not a value of its type. The user's mistake, reported with what would be right. */
export class SettingError extends Error {
  override name = "SettingError";
  constructor(
    readonly origin: Source["origin"],
    readonly where: string,
    readonly found: string,
    readonly expected: string,
  ) {
    super(`Cannot read ${where}: expected ${expected}, found ${JSON.stringify(withoutSecrets(found))}`);
  }
}

/**
 * Flags as given on the command line: `values` maps a setting's name to its text, and lacks what was not
 * given.
 */
export function flagSource(values: Readonly<Partial<Record<SettingName, string>>>): Source {
  return {
    origin: "flag",
    find(name, setting) {
      const text = values[name];
      return text === undefined ? undefined : { text, where: setting.flag };
    },
  };
}

/** An empty variable counts as unset: that is how shells and service managers clear one. */
export function environmentSource(get: (variable: string) => string | undefined): Source {
  return {
    origin: "environment",
    find(_name, setting) {
      const text = get(setting.variable);
      return text ? { text, where: setting.variable } : undefined;
    },
  };
}

/**
 * The effective value of each setting in `names`. Earlier sources win. `homeDir` replaces a leading `~`.
 * Throws SettingError for the first text that is not a value.
 */
export function resolveSettings<const N extends SettingName>(
  names: readonly N[],
  sources: readonly Source[],
  homeDir: string | undefined,
): Resolved<N> {
  const values: Partial<Record<SettingName, unknown>> = {};
  const origins: Partial<Record<SettingName, ValueOrigin>> = {};
  // A path that is not set follows from the data directory, so that one is always resolved with it.
  const wanted: readonly SettingName[] = [...new Set<SettingName>(["dataDir", ...names])];
  for (const name of wanted) {
    const setting: Setting = SETTINGS[name];
    const { value, directory, ...origin } = resolveOne(name, setting, sources);
    values[name] = setting.type.placeholder === "PATH"
      ? absolutePath(expandHome(value, homeDir, setting), directory)
      : value;
    origins[name] = origin;
  }
  deriveDirectories(values, homeDir);
  return { values: values as SettingValues<N>, origins: origins as Resolved<N>["origins"] };
}

function resolveOne(
  name: SettingName,
  setting: Setting,
  sources: readonly Source[],
): ValueOrigin & { value: unknown; directory?: string } {
  for (const source of sources) {
    const found = source.find(name, setting);
    if (!found) continue;
    const value = setting.type.parse(found.text);
    if (value === undefined) {
      throw new SettingError(source.origin, found.where, found.text, setting.type.expected);
    }
    const { where, line, directory } = found;
    return { value, directory, origin: source.origin, where, ...line === undefined ? {} : { line } };
  }
  return { value: setting.default, origin: "default", where: "" };
}

function expandHome(value: unknown, homeDir: string | undefined, setting: Setting): unknown {
  if (typeof value !== "string" || !/^~(\/|$)/.test(value)) return value;
  if (!homeDir) {
    throw new SettingError("environment", "HOME", "", `a home directory, for ${setting.key} "${value}"`);
  }
  return homeDir + value.slice(1);
}

/** A path in a file means the same wherever the program is started. */
function absolutePath(value: unknown, directory: string | undefined): unknown {
  if (typeof value !== "string" || directory === undefined || value.startsWith("/")) return value;
  return `${directory}/${value}`;
}

function deriveDirectories(values: Partial<Record<SettingName, unknown>>, homeDir: string | undefined): void {
  if (values.dataDir === undefined) {
    if (!homeDir) {
      throw new SettingError(
        "environment",
        "HOME",
        "",
        "a home directory, or --data-dir or AIRUNNER_DATA_DIR",
      );
    }
    values.dataDir = `${homeDir}/.airunner`;
  }
  const dataDir = String(values.dataDir).replace(/(?<=.)\/+$/, "");
  values.dataDir = dataDir;
  values.walDir ??= `${dataDir}/wal`;
  values.archiveDir ??= `${dataDir}/archive`;
  values.data ??= `${dataDir}/server.db`;
}
