/**
 * Everything outside of the program, as one argument: files, time, chance, the network and the environment.
 * What has effects takes the parts that it needs, so that it runs as well in a world that a test or a
 * simulation made up. The real one is in `system_host.ts`.
 */
import type { Clock, NextTurn } from "./clock.ts";
import type { Environment } from "./environment.ts";
import type { Files } from "./files.ts";
import type { Network } from "./network.ts";
import type { Processes } from "./processes.ts";
import type { Random, RandomBytes, RandomId } from "./random.ts";

export interface Host extends Environment {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly nextTurn: NextTurn;
  readonly randomId: RandomId;
  readonly randomBytes: RandomBytes;
  readonly processes: Processes;
  readonly network: Network;
}
