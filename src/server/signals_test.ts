import assert from "node:assert/strict";
import { LocalSignals } from "./signals.ts";

const never = new AbortController().signal;

Deno.test("who looks after clearing misses nothing that is signalled while looking", async () => {
  const { events } = new LocalSignals();
  using watch = events.watch("job");
  watch.clear();
  events.signal("job");
  await watch.wait(never);
  // Nobody has cleared it: what it was about may not have been looked at.
  await watch.wait(never);
  watch.clear();
  let isAwake = false;
  const waiting = watch.wait(never).then(() => isAwake = true);
  events.signal("another job");
  await Promise.resolve();
  assert.equal(isAwake, false);
  events.signal("job");
  await waiting;
});

Deno.test("waiting ends with its signal, and what watches no more is forgotten", async () => {
  const { events } = new LocalSignals();
  const leaving = new AbortController();
  {
    using watch = events.watch("job");
    using _other = events.watch("job");
    const waiting = watch.wait(leaving.signal);
    assert.equal(events.watching, 2);
    leaving.abort();
    await waiting;
    await watch.wait(leaving.signal);
  }
  assert.equal(events.watching, 0);
});

Deno.test("a listener hears of everything in its topic until it leaves", () => {
  const { jobs, cancellations } = new LocalSignals();
  const heard: string[] = [];
  const leave = jobs.listen((queue) => heard.push(queue));
  jobs.signal("a");
  cancellations.signal("x");
  jobs.signal("b");
  leave();
  jobs.signal("c");
  assert.deepEqual(heard, ["a", "b"]);
});
