/**
 * The waits between two tries, as the settings of the program have them.
 */
import { BACKOFF_JITTER, type BackoffSettings } from "../client/backoff.ts";
import { resolveSettings } from "../config/resolve.ts";

interface Settings {
  readonly retryInitialInterval: number;
  readonly retryMaxInterval: number;
  readonly retryMultiplier: number;
}

export function backoffOf(settings: Settings): BackoffSettings {
  return {
    initialMs: settings.retryInitialInterval,
    maxMs: settings.retryMaxInterval,
    factor: settings.retryMultiplier,
    jitter: BACKOFF_JITTER,
  };
}

const NAMES = ["retryInitialInterval", "retryMaxInterval", "retryMultiplier"] as const;

/** For commands without these settings: their defaults. None is a path, so that home does not matter. */
export const USUAL_BACKOFF: BackoffSettings = backoffOf(resolveSettings(NAMES, [], "/").values);
