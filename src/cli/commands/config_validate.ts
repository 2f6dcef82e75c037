/**
 * `airunner config validate`: all that is wrong with the configuration, before a worker meets it.
 */
import { type ConfigFile, fileSource, parseConfigFile } from "../../config/config_file.ts";
import { CONFIG_VARIABLE } from "../../config/config_location.ts";
import { CONFIG_BYTES_MAX, decode, findConfigFile, readConfigText } from "../../config/read_config_file.ts";
import { ConfigFileError } from "../../config/config_file_error.ts";
import { environmentSource, resolveSettings, SettingError } from "../../config/resolve.ts";
import { nearest } from "../../config/nearest.ts";
import { type Setting, SETTING_NAMES, SETTINGS } from "../../config/settings.ts";
import { YamlError } from "../../config/yaml_error.ts";
import type { Call } from "../call.ts";
import type { Context } from "../context.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { toJson } from "../../platform/json.ts";
import { renderValidation, type Validation } from "../../screens/validate_screen.ts";

type Validate = Call<[string | undefined], { json?: true }>;

export async function run({ context, args: [file], options, loaded, style }: Validate): Promise<number> {
  const { named, candidates } = loaded.locations;
  const validation: Validation = {
    path: undefined,
    looked: candidates,
    settings: 0,
    problems: [],
    warnings: [],
  };
  let config: ConfigFile | undefined;
  try {
    const path = file ?? await findConfigFile(context.files, loaded.locations);
    validation.path = path === "-" ? "standard input" : path;
    if (path !== undefined) {
      const text = path === "-"
        ? await readStdin(context)
        : await readConfigText(context.files, path, file ?? named?.where);
      config = parseConfigFile(text, validation.path!);
      validation.settings = config.places.size;
      if (path !== "-") validation.warnings.push(...await permissionWarnings(context, path));
    }
  } catch (error) {
    if (error instanceof YamlError) validation.problems.push(...error.problems);
    else if (error instanceof ConfigFileError) validation.problems.push({ reason: error.reason });
    else throw error;
  }
  // A file that is checked before it is moved into place has nothing to do with this host's environment.
  if (file === undefined) checkEnvironment(context, config, validation);
  await context.stdout.write(
    options.json ? toJson(validationJson(validation)) + "\n" : renderValidation(validation, style),
  );
  return validation.problems.length === 0 ? ExitCode.DONE : ExitCode.CONFIGURATION;
}

async function readStdin({ stdin }: Context): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > CONFIG_BYTES_MAX) throw new ConfigFileError("standard input", "it is longer than 1 MiB");
  }
  return decode(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()), "standard input");
}

/** Whoever may write the file may have jobs delivered elsewhere. */
async function permissionWarnings({ files }: Context, path: string): Promise<string[]> {
  const { mode, isFile } = await files.stat(path);
  if (!isFile || mode === null || (mode & 0o022) === 0) return [];
  return [`Others than its owner may write to ${path}, and so decide where output goes: chmod go-w ${path}`];
}

/** Each variable for itself, so that all of them are told at once. */
function checkEnvironment(
  { env, environment }: Context,
  config: ConfigFile | undefined,
  validation: Validation,
): void {
  const home = env("HOME") || undefined;
  const sources = [environmentSource(env), ...config === undefined ? [] : [fileSource(config)]];
  const seen = new Set<string>();
  for (const name of SETTING_NAMES) {
    try {
      resolveSettings([name], sources, home);
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      if (!seen.has(error.message)) validation.problems.push({ reason: error.message });
      seen.add(error.message);
    }
  }
  const known = [CONFIG_VARIABLE, ...Object.values<Setting>(SETTINGS).map(({ variable }) => variable)];
  for (const variable of Object.keys(environment()).filter((word) => word.startsWith("AIRUNNER_")).sort()) {
    // Jobs get this one from their worker, and may call us.
    if (known.includes(variable) || variable === "AIRUNNER_JOB_ID") continue;
    const guess = nearest(variable, known);
    validation.warnings.push(
      `The variable ${variable} sets nothing${guess === undefined ? "" : `; did you mean ${guess}?`}`,
    );
  }
}

function validationJson({ path, settings, problems, warnings }: Validation) {
  return {
    schema_version: 1,
    path: path ?? null,
    ok: problems.length === 0,
    settings,
    problems: problems.map(({ line, column, reason }) => ({
      line: line ?? null,
      column: column ?? null,
      reason,
    })),
    warnings,
  };
}
