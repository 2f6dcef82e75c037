/**
 * A worker of the compiled binary whose metrics and health can be read.
 */
import type { Program, Sandbox } from "./airunner.ts";

/**
 * A worker that shows its metrics at a port of the system's choice, and does not wait long for its server.
 */
export function startScrapedWorker(sandbox: Sandbox, url: string, ...more: string[]): Program {
  return sandbox.start([
    "worker",
    `--server=${url}`,
    "--metrics-listen=127.0.0.1:0",
    "--retry-initial-interval=50ms",
    "--retry-max-interval=200ms",
    ...more,
  ]);
}
