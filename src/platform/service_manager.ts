/**
 * Tells whoever started this program as a service, such as systemd, how far it is. Where nobody asked to be
 * told, nothing happens.
 */
import type { Logger } from "./logging/logger.ts";
import { sendNotification } from "./notify_socket.ts";

/** `starting`: it takes another minute. */
export type ServiceState = "starting" | "ready" | "stopping";

/** sd_notify(3). */
const MESSAGES = {
  starting: "EXTEND_TIMEOUT_USEC=60000000",
  ready: "READY=1",
  stopping: "STOPPING=1",
} as const satisfies Record<ServiceState, string>;

export function tellServiceManager(
  state: ServiceState,
  context: { env(name: string): string | undefined },
  logger: Logger,
): void {
  const address = context.env("NOTIFY_SOCKET");
  if (!address) return;
  try {
    sendNotification(address, MESSAGES[state]);
    logger.debug("Told the service manager", { state });
  } catch (error) {
    // Work goes on: a manager that hears nothing in time acts by itself, as its unit file says.
    logger.warn("Cannot tell the service manager how this service is", {
      state,
      address,
      error: error instanceof Error ? error.message : String(error),
    });
  }
}
