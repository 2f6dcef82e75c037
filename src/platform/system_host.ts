/**
 * The real outside world.
 */
import { systemClock } from "./clock.ts";
import { systemEnvironment } from "./environment.ts";
import type { Host } from "./host.ts";
import { systemNetwork } from "./network.ts";
import { systemRandom, systemRandomId } from "./random.ts";
import { systemProcesses } from "./system_processes.ts";
import { systemFiles } from "./system_files.ts";

export const systemHost: Host = {
  ...systemEnvironment,
  files: systemFiles,
  clock: systemClock,
  random: systemRandom,
  randomId: systemRandomId,
  processes: systemProcesses,
  network: systemNetwork,
};
