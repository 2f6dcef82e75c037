/**
 * Settings about the age and size of what the server keeps, as it takes them. Pure.
 */
import type { RETENTION_SETTINGS } from "../config/server_settings.ts";
import type { SettingValues } from "../config/settings.ts";
import type { RetentionPolicy } from "../server/retention/policy.ts";

export function retentionPolicy(
  { retainJobs, retainQueues = [], retainBytes }: SettingValues<(typeof RETENTION_SETTINGS)[number]>,
): RetentionPolicy {
  return {
    ageMs: retainJobs,
    queueAgesMs: new Map(retainQueues.map(({ queue, ageMs }) => [queue, ageMs])),
    bytesMax: retainBytes,
  };
}
