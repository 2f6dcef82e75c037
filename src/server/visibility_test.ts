import assert from "node:assert/strict";
import { silentLogger } from "../platform/logging/logger.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { VisibilityAlarm } from "./visibility.ts";

const HOUR_MS = 3_600_000;

class FakeSource {
  expiriesMs: number[] = [];
  requeued = 0;
  failure: Error | undefined;

  constructor(readonly clock: ManualClock) {}

  nextExpiryMs(): Promise<number | undefined> {
    return Promise.resolve(this.expiriesMs.toSorted((a, b) => a - b)[0]);
  }

  requeueExpired(): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    const running = this.expiriesMs.filter((expiryMs) => expiryMs > this.clock.nowMs());
    this.requeued += this.expiriesMs.length - running.length;
    this.expiriesMs = running;
    return Promise.resolve();
  }
}

Deno.test("the alarm rings when the next execution expires, and not before", async () => {
  const clock = new ManualClock();
  const source = new FakeSource(clock);
  const alarm = new VisibilityAlarm(source, clock, silentLogger);
  source.expiriesMs = [clock.nowMs() + 5_000, clock.nowMs() + 3_000];
  const ended = alarm.run();
  await clock.pass(3_000);
  await clock.sleeping(2_000);
  assert.equal(source.requeued, 1);
  await clock.pass(2_000);
  await clock.sleeping(HOUR_MS);
  assert.equal(source.requeued, 2);
  alarm.stop();
  await ended;
});

Deno.test("the alarm is set anew for an earlier expiry, and left alone for a later one", async () => {
  const clock = new ManualClock();
  const source = new FakeSource(clock);
  const alarm = new VisibilityAlarm(source, clock, silentLogger);
  const ended = alarm.run();
  await clock.sleeping(HOUR_MS);
  source.expiriesMs = [clock.nowMs() + 1_000];
  alarm.reschedule(clock.nowMs() + 2 * HOUR_MS);
  alarm.reschedule(clock.nowMs() + 1_000);
  await clock.pass(1_000);
  await clock.sleeping(HOUR_MS);
  assert.equal(source.requeued, 1);
  alarm.stop();
  await ended;
});

Deno.test("the alarm survives a database that fails", async () => {
  const clock = new ManualClock();
  const source = new FakeSource(clock);
  const lines: string[] = [];
  const alarm = new VisibilityAlarm(source, clock, createLogger("info", (line) => lines.push(line)));
  source.failure = new Error("The disk is full");
  source.expiriesMs = [clock.nowMs()];
  const ended = alarm.run();
  await clock.sleeping(1_000);
  source.failure = undefined;
  await clock.pass(1_000);
  await clock.sleeping(HOUR_MS);
  assert.equal(source.requeued, 1);
  assert.deepEqual(lines, ['ERR Cannot requeue expired jobs; trying again error="The disk is full"']);
  alarm.stop();
  await ended;
});

Deno.test("an expiry that the alarm is told of while it looks is not missed", async () => {
  const clock = new ManualClock();
  const source = new FakeSource(clock);
  const looking = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const alarm = new VisibilityAlarm(source, clock, silentLogger);
  source.expiriesMs = [clock.nowMs() + 1_000];
  const ended = alarm.run();
  await clock.sleeping(1_000);
  const { nextExpiryMs } = source;
  source.nextExpiryMs = async () => {
    const next = await nextExpiryMs.call(source);
    looking.resolve();
    await goOn.promise;
    return next;
  };
  clock.advance(1_000);
  await looking.promise;
  source.expiriesMs = [clock.nowMs() + 5_000];
  alarm.reschedule(clock.nowMs() + 5_000);
  goOn.resolve();
  await clock.pass(5_000);
  await clock.sleeping(HOUR_MS);
  assert.equal(source.requeued, 2);
  alarm.stop();
  await ended;
});
