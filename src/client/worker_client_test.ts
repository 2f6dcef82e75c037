import assert from "node:assert/strict";
import { createRouterTransport } from "@connectrpc/connect";
import { createLogger } from "../platform/logging/text_logger.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { CallError } from "./call_error.ts";
import { createWorkerClient } from "./worker_client.ts";

Deno.test("a server without a call of ours is asked once in an hour, and that is said once, also by two at a time", async () => {
  const lines: string[] = [];
  const clock = new ManualClock();
  const client = createWorkerClient({
    transport: createRouterTransport(() => {}),
    clock,
    requestTimeoutMs: 1000,
    logger: createLogger("debug", (line) => lines.push(line)),
  });
  const ask = () => {
    const range = { from: 1n, to: 1n, count: 0, checksum: 0n };
    return assert.rejects(client.compare("token", range, new AbortController().signal), CallError);
  };
  await Promise.all([ask(), ask()]);
  await ask();
  assert.equal(lines.length, 1, lines.join(""));
  clock.advance(3_600_000);
  await ask();
  assert.equal(lines.length, 2, lines.join(""));
});
