import assert from "node:assert/strict";
import { judgeClock, judgeServer, judgeSignIn, SERVER_CHECKS } from "./server_checks.ts";
import { clockDifferenceMs } from "./server_probe.ts";
import { runChecks } from "./finding.ts";
import { commandsOf, SETTINGS, testProbe } from "../../tests/support/healthy_probe.ts";

const answer = (status: number, aheadMs?: number) =>
  ({ kind: "answer", status, tookMs: 3, aheadMs }) as const;

Deno.test("a server that answers is reached, whatever it thinks of the path", () => {
  assert.equal(judgeServer("http://ci", answer(200)).level, "ok");
  assert.equal(judgeServer("http://ci", answer(404)).level, "ok");
  assert.match(judgeServer("http://ci", answer(429)).found, /429: it limits the rate/);
  assert.equal(judgeServer("http://ci", answer(429)).level, "warning");
  assert.equal(judgeServer("http://ci", answer(502)).level, "problem");
  const away = judgeServer("http://ci/", { kind: "none", why: "Connection refused" });
  assert.equal(away.level, "problem");
  assert.match(away.found, /Connection refused\. What is unsent stays on disk/);
  assert.deepEqual(commandsOf(away), ["curl -v http://ci/healthz", "airunner help not-sending"]);
});

Deno.test("a refused sign-in is a problem, and a call that fails in another way is not mistaken for one", () => {
  assert.equal(judgeSignIn({ kind: "accepted", isSigned: false }, "/data").level, "ok");
  const refused = { kind: "refused", why: "unknown key" } as const;
  const unknown = judgeSignIn({ ...refused, credentialsFile: "/home/credentials/config.json" }, "/data");
  assert.equal(unknown.level, "problem");
  assert.deepEqual(commandsOf(unknown), ["airunner keys list"]);
  assert.deepEqual(commandsOf(judgeSignIn({ ...refused, credentialsFile: undefined }, "/data")), [
    "airunner keys new NAME",
  ]);
  assert.equal(judgeSignIn({ kind: "unreachable", why: "reset" }, "/data").level, "skipped");
  assert.equal(judgeSignIn({ kind: "other", why: "database" }, "/data").level, "warning");
});

Deno.test("clocks that differ by more than five seconds are told, with the direction", () => {
  assert.equal(judgeClock(answer(200, 5000)).level, "ok");
  assert.match(judgeClock(answer(200, 5001)).found, /^5 s ahead of the server's/);
  assert.match(judgeClock(answer(200, -61_000)).found, /^61 s behind the server's/);
  assert.equal(judgeClock(answer(200)).level, "skipped");
});

Deno.test("the clocks' difference is the least that explains what was seen", () => {
  // The server's date is cut to whole seconds, so that it may be up to a second behind.
  assert.equal(clockDifferenceMs({ dateMs: 10_000, sentAtMs: 10_400, receivedAtMs: 10_410 }), 0);
  assert.equal(clockDifferenceMs({ dateMs: 10_000, sentAtMs: 11_000, receivedAtMs: 11_010 }), 0);
  assert.equal(clockDifferenceMs({ dateMs: 10_000, sentAtMs: 17_000, receivedAtMs: 17_010 }), 6000);
  assert.equal(clockDifferenceMs({ dateMs: 10_000, sentAtMs: 2000, receivedAtMs: 4000 }), -6000);
  // A slow answer proves nothing about the clocks.
  assert.equal(clockDifferenceMs({ dateMs: 10_000, sentAtMs: 1000, receivedAtMs: 12_000 }), 0);
});

Deno.test("without a server nothing is asked, and it says how to", async () => {
  const probe = testProbe({
    settings: { ...SETTINGS, server: undefined },
    askServer: () => Promise.reject(new Error("not to be called")),
    signIn: () => Promise.reject(new Error("not to be called")),
  });
  const results = await runChecks(SERVER_CHECKS, probe);
  assert.deepEqual(results.map(({ level }) => level), ["skipped", "skipped", "skipped"]);
  assert.deepEqual(commandsOf(results[0]), ["airunner doctor --server=URL"]);
});

Deno.test("a server that does not answer is one problem, not three", async () => {
  const probe = testProbe({ askServer: () => Promise.resolve({ kind: "none", why: "Connection refused" }) });
  const results = await runChecks(SERVER_CHECKS, probe);
  assert.deepEqual(results.map(({ level }) => level), ["problem", "skipped", "skipped"]);
});
