/**
 * SIGHUP: the settings are read again, those that can change while the program runs are taken over, and
 * everything else is said and left alone. A file that is wrong changes nothing at all.
 */
import type { ConfigFile } from "../../config/config_file.ts";
import { type Setting, type SettingName, SETTINGS, type SettingValues } from "../../config/settings.ts";
import { YamlError } from "../../config/yaml_error.ts";
import { messageOf } from "../../platform/error_text.ts";
import type { Logger, LogLevel } from "../../platform/logging/logger.ts";
import type { Context } from "../context.ts";
import type { LoadedSettings } from "./settings_loader.ts";

type Loaded<N extends SettingName> = Pick<LoadedSettings<N | "logLevel">, "values" | "origins" | "file">;

export interface ReloadOptions<N extends SettingName> {
  readonly call: {
    readonly context: Pick<Context, "signals">;
    readonly loaded: Pick<LoadedSettings, "file">;
    readonly reload: () => Promise<Loaded<N>>;
    readonly setLogLevel: (level: LogLevel) => void;
  };
  /** The settings in force; what is taken over is written into it. */
  readonly live: { -readonly [K in N | "logLevel"]: SettingValues<K>[K] };
  readonly logger: Logger;
  /** Called when something in `live` has changed. */
  readonly onChanged: () => void;
}

/** Reloads at each SIGHUP, one after the other, until the returned function is called. */
export function reloadOnHangup<N extends SettingName>(options: ReloadOptions<N>): () => void {
  let file = options.call.loaded.file;
  let last = Promise.resolve();
  const release = options.call.context.signals.takeHangup(() => {
    last = last.then(async () => {
      const next = await load(options, file?.path);
      if (next === undefined) return;
      takeOver(options, next, file);
      file = next.file;
    });
  });
  return release;
}

/** Undefined when the settings cannot be read; then it has been said. */
async function load<N extends SettingName>(
  { call, logger }: ReloadOptions<N>,
  path: string | undefined,
): Promise<Loaded<N> | undefined> {
  try {
    const next = await call.reload();
    if (next.file !== undefined || path === undefined) return next;
    // An editor may be about to put it back, and nobody means all settings at once by deleting a file.
    logger.error("Configuration was not reloaded: the file is gone. The settings of before stay in force", {
      path,
    });
  } catch (error) {
    for (const fields of problemsOf(error)) {
      logger.error(
        "Configuration was not reloaded: it is wrong. The settings of before stay in force",
        fields,
      );
    }
  }
  return undefined;
}

function problemsOf(error: unknown): Record<string, string | number>[] {
  if (!(error instanceof YamlError)) return [{ error: messageOf(error) }];
  const { path, problems } = error;
  return problems.map(({ line, column, reason }) => ({ path, line, column, error: reason }));
}

function takeOver<N extends SettingName>(
  { call, live, logger, onChanged }: ReloadOptions<N>,
  { values, origins, file }: Loaded<N>,
  before: ConfigFile | undefined,
): void {
  const names = Object.keys(origins) as (N | "logLevel")[];
  const changed = names.filter((name) => textOf(name, values[name]) !== textOf(name, live[name]));
  const taken = changed.filter((name) => settingOf(name).isReloadable);
  const changes = taken.map((name) =>
    `${settingOf(name).key} ${textOf(name, live[name])} -> ${textOf(name, values[name])}`
  );
  for (const name of taken) live[name] = values[name] as typeof live[typeof name];
  call.setLogLevel(live.logLevel);
  if (taken.length > 0) onChanged();
  logger.info("Configuration reloaded", {
    path: file?.path,
    changed: changes.length > 0 ? changes.join(", ") : "nothing",
  });
  for (const name of changed.filter((name) => !taken.includes(name))) {
    logger.warn(
      "A setting cannot change while the worker runs; restart it for that. Nothing is lost by a restart",
      {
        setting: settingOf(name).key,
        in_force: textOf(name, live[name]),
        new_value: textOf(name, values[name]),
      },
    );
  }
  for (const name of names) {
    const { key } = settingOf(name);
    const { origin, where } = origins[name];
    const text = file?.places.get(key)?.text;
    if (
      origin === "file" || origin === "default" || text === undefined ||
      text === before?.places.get(key)?.text
    ) continue;
    logger.warn("A setting was changed in the file, but something else wins over the file", {
      setting: key,
      winner: where,
    });
  }
}

function settingOf(name: SettingName): Setting {
  return SETTINGS[name];
}

function textOf(name: SettingName, value: unknown): string {
  return value === undefined ? "(unset)" : settingOf(name).type.format(value);
}
