import assert from "node:assert/strict";
import { CHECKS } from "./checks.ts";
import { type Check, ok, runChecks } from "./finding.ts";
import { testProbe } from "../../tests/support/healthy_probe.ts";

Deno.test("on a healthy machine every check is ok, and none suggests anything", async () => {
  for (const { id, level, found, cures } of await runChecks(CHECKS, testProbe())) {
    assert.equal(level, "ok", `${id}: ${found}`);
    assert.deepEqual(cures, [], id);
  }
});

Deno.test("on a machine where nothing has run yet nothing is wrong", async () => {
  const fresh = testProbe({
    look: () => Promise.resolve(undefined),
    askWorker: () => Promise.resolve({ kind: "none" }),
    measureSync: () => Promise.reject(new Error("nothing may be measured, nothing may be made")),
  });
  for (const { id, level, found } of await runChecks(CHECKS, fresh)) {
    assert.ok(level === "ok" || level === "skipped", `${id} ${level}: ${found}`);
  }
});

Deno.test("every check has an id of its own", () => {
  assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
});

Deno.test("a check that fails is a problem of its own and does not keep the others", async () => {
  const failing: Check = {
    id: "failing",
    title: "Failing",
    run: () => Promise.reject(new Error("permission denied")),
  };
  const fine: Check = { id: "fine", title: "Fine", run: () => Promise.resolve(ok("fine")) };
  const [first, second] = await runChecks([failing, fine], testProbe());
  assert.equal(first.level, "problem");
  assert.match(first.found, /could not be checked: permission denied/);
  assert.equal(second.level, "ok");
});

Deno.test("a check that measures runs while no other does, and results keep the table's order", async () => {
  const events: string[] = [];
  const make = (id: string, alone?: true): Check => ({
    id,
    title: id,
    alone,
    async run() {
      events.push(`${id} starts`);
      await Promise.resolve();
      events.push(`${id} ends`);
      return ok(id);
    },
  });
  const results = await runChecks([make("a"), make("measured", true), make("b")], testProbe());
  assert.deepEqual(results.map(({ id }) => id), ["a", "measured", "b"]);
  assert.deepEqual(events, ["measured starts", "measured ends", "a starts", "b starts", "a ends", "b ends"]);
});
