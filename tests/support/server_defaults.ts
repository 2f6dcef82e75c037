/**
 * The settings of a server whose user has set nothing.
 */
import { connectionLimits } from "../../src/setup/connection_limits.ts";
import { resolveSettings } from "../../src/config/resolve.ts";
import { CONNECTION_SETTINGS } from "../../src/config/server_settings.ts";
import type { ServerOptions } from "../../src/server/server.ts";

const { values } = resolveSettings([...CONNECTION_SETTINGS, "visibilityTimeout"], [], "/home/ci");

export const SERVER_DEFAULTS: Pick<ServerOptions, "limits" | "defaultVisibilitySeconds"> = {
  limits: connectionLimits(values),
  defaultVisibilitySeconds: values.visibilityTimeout / 1000,
};
