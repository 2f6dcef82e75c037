/**
 * The table of all checks, in the order in which they are shown: from the ground up.
 */
import { CONFIG_CHECKS } from "./config_checks.ts";
import { DIRECTORY_CHECKS } from "./directory_checks.ts";
import { DISK_CHECKS } from "./disk_checks.ts";
import type { Check } from "./finding.ts";
import { KEY_CHECKS } from "./key_checks.ts";
import { LOG_CHECKS } from "./log_checks.ts";
import { SERVER_CHECKS } from "./server_checks.ts";
import { WORKER_CHECKS } from "./worker_checks.ts";

export const CHECKS: readonly Check[] = [
  ...CONFIG_CHECKS,
  ...DIRECTORY_CHECKS,
  ...DISK_CHECKS,
  ...SERVER_CHECKS,
  ...KEY_CHECKS,
  ...WORKER_CHECKS,
  ...LOG_CHECKS,
];
