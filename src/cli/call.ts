/**
 * What a command is called with: everything the command line said, read and checked.
 */
import type { Command } from "@commander-js/extra-typings";
import type { SettingName, SettingValues } from "../config/settings.ts";
import type { Logger, LogLevel } from "../platform/logging/logger.ts";
import type { Context } from "./context.ts";
import type { LoadedSettings } from "./settings/settings_loader.ts";
import type { Style } from "../platform/text.ts";

/** Settings that every command has. */
export const COMMON_SETTINGS = ["dataDir", "logLevel", "logFormat"] as const satisfies readonly SettingName[];
export type CommonSetting = (typeof COMMON_SETTINGS)[number];

export interface Call<A, O, N extends SettingName = CommonSetting> {
  readonly context: Context;
  /** The command line's whole tree, as the parser has it: for completion in shells. */
  readonly root: Command;
  /** The command's arguments, in order. */
  readonly args: A;
  /** The options of this command alone; settings are in `settings`. */
  readonly options: O;
  readonly settings: SettingValues<N | CommonSetting>;
  /** Where the settings came from. */
  readonly loaded: Omit<LoadedSettings<N | CommonSetting>, "values">;
  /** Reads the settings again; changes nothing. Throws SettingError, YamlError or ConfigFileError. */
  readonly reload: () => Promise<LoadedSettings<N | CommonSetting>>;
  readonly logger: Logger;
  /** Changes the level of `logger`, and of all loggers that were made from it. */
  readonly setLogLevel: (level: LogLevel) => void;
  /** For standard output. */
  readonly style: Style;
}
