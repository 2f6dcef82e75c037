/**
 * The real outside world.
 */
import { systemClock, systemNextTurn } from "./system_clock.ts";
import { systemEnvironment } from "./system_environment.ts";
import type { Host } from "./host.ts";
import { systemNetwork } from "./system_network.ts";
import { systemRandom, systemRandomBytes, systemRandomId } from "./system_random.ts";
import { systemProcesses } from "./system_processes.ts";
import { systemFiles } from "./system_files.ts";

export const systemHost: Host = {
  ...systemEnvironment,
  files: systemFiles,
  clock: systemClock,
  random: systemRandom,
  nextTurn: systemNextTurn,
  randomId: systemRandomId,
  randomBytes: systemRandomBytes,
  processes: systemProcesses,
  network: systemNetwork,
};
