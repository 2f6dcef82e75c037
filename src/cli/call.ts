/**
 * What a command is called with: everything the command line said, read and checked.
 */
import type { SettingName, SettingValues } from "../config/settings.ts";
import type { Logger } from "../platform/logger.ts";
import type { Context } from "./context.ts";
import type { Style } from "./render/text.ts";

/** Settings that every command has. */
export const COMMON_SETTINGS = ["dataDir", "logLevel", "logFormat"] as const satisfies readonly SettingName[];
export type CommonSetting = (typeof COMMON_SETTINGS)[number];

export interface Call<A, O, N extends SettingName = CommonSetting> {
  readonly context: Context;
  /** The command's arguments, in order. */
  readonly args: A;
  /** The options of this command alone; settings are in `settings`. */
  readonly options: O;
  readonly settings: SettingValues<N | CommonSetting>;
  readonly logger: Logger;
  /** For standard output. */
  readonly style: Style;
}
