/**
 * The settings of a worker whose user has set nothing.
 */
import { workerSettings } from "../../src/setup/worker_settings.ts";
import { WORKER_SETTINGS } from "../../src/config/setting_groups.ts";
import { resolveSettings } from "../../src/config/resolve.ts";
import type { ConfiguredSettings } from "../../src/job/worker_options.ts";

export const DEFAULT_SETTINGS: ConfiguredSettings = workerSettings(
  resolveSettings(WORKER_SETTINGS, [], "/home/ci").values,
);
