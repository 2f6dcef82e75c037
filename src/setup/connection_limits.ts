/**
 * The settings of `airunner server` as its front door knows them.
 */
import type { CONNECTION_SETTINGS } from "../config/server_settings.ts";
import type { SettingValues } from "../config/settings.ts";
import type { ConnectionLimits } from "../server/listener.ts";

export function connectionLimits(
  settings: SettingValues<(typeof CONNECTION_SETTINGS)[number]>,
): ConnectionLimits {
  return {
    connectionsMax: settings.maxConnections,
    perAddressMax: settings.maxConnectionsPerAddress,
    trustedProxies: settings.trustedProxies ?? [],
    deadlines: {
      headerMs: settings.headerTimeout,
      idleMs: settings.idleTimeout,
      bodyMs: settings.bodyTimeout,
      streamMs: settings.streamTimeout,
    },
  };
}
