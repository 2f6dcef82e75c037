/**
 * Reads the configuration file as a worker would, and goes on without it when it is wrong: a doctor that
 * refuses to look is no help.
 */
import { CONFIG_FLAG } from "../../config/config_location.ts";
import { ConfigFileError } from "../../config/config_file_error.ts";
import { SettingError } from "../../config/resolve.ts";
import { YamlError } from "../../config/yaml_error.ts";
import type { Call } from "../call.ts";
import { typedSettings } from "./setting_options.ts";
import { SettingsLoader } from "./settings_loader.ts";
import { type ConfigFacts, DOCTOR_SETTINGS, type DoctorSettings } from "../../doctor/probe.ts";

export interface ReadConfig {
  readonly settings: DoctorSettings;
  readonly facts: ConfigFacts;
}

type DoctorCall = Call<unknown[], unknown, (typeof DOCTOR_SETTINGS)[number]>;

/** `call` was made without the file; its settings hold when the file cannot be used. */
export async function readConfig({ context, options, settings, loaded }: DoctorCall): Promise<ReadConfig> {
  const names = ["dataDir", ...DOCTOR_SETTINGS] as const;
  const { named } = loaded.locations;
  const loader = new SettingsLoader({
    context,
    names,
    typed: typedSettings(options as Record<string, unknown>, names),
    configFlag: named?.where === CONFIG_FLAG ? named.path : undefined,
    readsFile: true,
  });
  try {
    const { values, file } = await loader.load();
    return { settings: values, facts: { path: file?.path, mistakes: [] } };
  } catch (error) {
    return { settings, facts: { path: pathOf(error), mistakes: mistakesOf(error) } };
  }
}

function pathOf(error: unknown): string | undefined {
  return error instanceof ConfigFileError || error instanceof YamlError ? error.path : undefined;
}

function mistakesOf(error: unknown): string[] {
  if (error instanceof YamlError) {
    return error.problems.map(({ line, column, reason }) => `line ${line}, column ${column}: ${reason}`);
  }
  if (error instanceof ConfigFileError || error instanceof SettingError) return [error.message];
  throw error;
}
