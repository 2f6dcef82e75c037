/**
 * The real outside world.
 */
import { systemClock } from "./clock.ts";
import { systemEnvironment } from "./environment.ts";
import type { Host } from "./host.ts";
import { systemRandom } from "./random.ts";
import { systemProcesses } from "./system_processes.ts";
import { systemFiles } from "./system_files.ts";

export const systemHost: Host = {
  ...systemEnvironment,
  files: systemFiles,
  clock: systemClock,
  random: systemRandom,
  processes: systemProcesses,
};
