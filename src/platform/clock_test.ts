import assert from "node:assert/strict";
import { systemClock } from "./system_clock.ts";

const NEVER_MS = 86_400_000;

Deno.test("sleep ends at once when its signal aborts, and leaves no timer behind", async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(NEVER_MS, controller.signal);
  controller.abort();
  await sleeping;
});

Deno.test("sleep does not begin when its signal has aborted before", async () => {
  await systemClock.sleep(NEVER_MS, AbortSignal.abort());
});

Deno.test("sleep ends by itself", async () => {
  await systemClock.sleep(1, new AbortController().signal);
});

Deno.test("elapsed time never goes back", () => {
  const before = systemClock.elapsedMs();
  assert.ok(systemClock.elapsedMs() >= before);
});
