/**
 * The settings of one run of a command, from all their sources, and read again whenever somebody asks.
 */
import { type ConfigLocations, configLocations } from "../../config/config_location.ts";
import type { ConfigFile } from "../../config/config_file.ts";
import { readConfigFile } from "../../config/read_config_file.ts";
import {
  environmentSource,
  flagSource,
  type Resolved,
  resolveSettings,
  SettingError,
  type Source,
} from "../../config/resolve.ts";
import type { SettingName } from "../../config/settings.ts";
import type { Context } from "../context.ts";

/** Stands for the home directory where there is none: nothing can be made below it, by nobody. */
export const NO_HOME = "/dev/null";

export interface LoadedSettings<N extends SettingName = SettingName> extends Resolved<N> {
  /** Undefined where there is none, or none was wanted. */
  readonly file: ConfigFile | undefined;
  /** Where a file was looked for. */
  readonly locations: ConfigLocations;
}

export interface SettingsLoaderOptions<N extends SettingName> {
  readonly context: Pick<Context, "env" | "files">;
  readonly names: readonly N[];
  /** Texts given on the command line. */
  readonly typed: Readonly<Partial<Record<SettingName, string>>>;
  /** What `--config` says. */
  readonly configFlag: string | undefined;
  /** False for commands that have to work whatever is in the file. */
  readonly readsFile: boolean;
  /** For commands that go on where nothing can be written. */
  readonly needsNoHome?: boolean;
}

export class SettingsLoader<N extends SettingName> {
  readonly #options: SettingsLoaderOptions<N>;

  constructor(options: SettingsLoaderOptions<N>) {
    this.#options = options;
  }

  /** Throws SettingError, YamlError or ConfigFileError. */
  async load(): Promise<LoadedSettings<N>> {
    const { context: { env, files }, names, typed, configFlag, readsFile, needsNoHome } = this.#options;
    const home = env("HOME") || (needsNoHome ? NO_HOME : undefined);
    const sources: Source[] = [flagSource(typed), environmentSource(env)];
    const locations = configLocations({ flag: configFlag, env, dataDir: givenDataDir(sources, home) });
    const file = readsFile ? await readConfigFile(files, locations) : undefined;
    if (file !== undefined) {
      const { fileSource } = await import("../../config/config_file.ts");
      sources.push(fileSource(file));
    }
    try {
      return { ...resolveSettings(names, sources, home), file, locations };
    } catch (error) {
      if (readsFile || !(error instanceof SettingError) || error.origin === "flag") throw error;
      // Version, help to mend and the like: what the environment lacks or has wrong is not what they were
      // asked about.
      return { ...resolveSettings(names, sources.slice(0, 1), home ?? "/"), file, locations };
    }
  }
}

/**
 * The data directory of the flag or the environment: what a file says of it comes too late to find that file.
 */
function givenDataDir(sources: readonly Source[], home: string | undefined): string | undefined {
  // Without a home directory and without a data directory the settings are refused later, with a better word.
  const { values, origins } = resolveSettings(["dataDir"], sources, home ?? "/");
  return origins.dataDir.origin === "default" ? undefined : values.dataDir;
}
