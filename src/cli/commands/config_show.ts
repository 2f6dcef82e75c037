/**
 * `airunner config show`: the settings that are in force, and where each came from.
 */
import type { SettingName } from "../../config/settings.ts";
import type { Call } from "../call.ts";
import { ExitCode } from "../../screens/exit_code.ts";
import { toJson } from "../../platform/json.ts";
import { configJson, type ConfigScreen, renderOrigins, renderSettings } from "../../screens/config_screen.ts";

type Show = Call<[], { origin?: true; json?: true }, SettingName>;

export async function run({ context, options, settings, loaded, style }: Show): Promise<number> {
  const screen: ConfigScreen = {
    values: settings,
    origins: loaded.origins,
    path: loaded.file?.path,
    locations: loaded.locations,
  };
  const text = options.json
    ? toJson(configJson(screen)) + "\n"
    : options.origin
    ? renderOrigins(screen, style)
    : renderSettings(screen);
  await context.stdout.write(text);
  return ExitCode.DONE;
}
