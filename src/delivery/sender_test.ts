import { USUAL_BACKOFF } from "../setup/backoff.ts";
import { systemNetwork } from "../platform/system_network.ts";
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { FakeClock, FakeLog } from "../../tests/support/fake_log.ts";
import { FakeServer } from "../../tests/support/fake_server.ts";
import { createEvent, encodeEvent } from "../events/event.ts";
import { systemClock } from "../platform/system_clock.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { RETRY_AFTER_MAX_MS } from "../client/backoff.ts";
import type { PendingEvent } from "./pending_source.ts";
import { CallError, type CallErrorDetails } from "../client/call_error.ts";
import { createPublisher, type Publisher } from "./publisher.ts";
import { Sender, type SenderSettings } from "./sender.ts";
import type { SendAttempt } from "./sender_observer.ts";
import { createServerTransport } from "../client/transport.ts";

type Answer = "accept" | CallErrorDetails | Promise<"accept">;

/** A sender with everything around it, and what it did. `answer` says what the server does with a call. */
class Bench {
  readonly log = new FakeLog();
  readonly clock = new FakeClock();
  readonly lines: string[] = [];
  readonly calls: bigint[][] = [];
  readonly attempts: SendAttempt[] = [];
  readonly stop = new AbortController();
  readonly sender: Sender;

  constructor(answer: (sequences: bigint[], call: number) => Answer, settings: Partial<SenderSettings> = {}) {
    const publisher: Publisher = {
      publish: async (events, signal) => {
        const sequences = events.map(({ sequence }) => sequence);
        this.calls.push(sequences);
        const aborted = Promise.withResolvers<never>();
        aborted.promise.catch(() => {});
        signal.addEventListener("abort", () => aborted.reject(new Error("aborted")), { once: true });
        const details = await Promise.race([answer(sequences, this.calls.length), aborted.promise]);
        if (details === "accept") return {};
        throw new CallError("the server's words", details);
      },
    };
    this.sender = new Sender({
      log: this.log,
      publisher,
      settings: { attemptsMax: 10, backoff: USUAL_BACKOFF, ...settings },
      clock: this.clock,
      random: () => 0.5,
      logger: createLogger("debug", (line) => this.lines.push(line)),
      observe: { attempt: (attempt) => this.attempts.push(attempt) },
    });
  }

  append(count: number): void {
    for (let sequence = 1; sequence <= count; sequence++) this.log.append(BigInt(sequence));
  }

  /** Runs until everything is delivered, or `calls` calls were made. */
  async deliver(): Promise<void> {
    const run = this.sender.run(this.stop.signal);
    assert.ok(await this.sender.flushed());
    this.stop.abort();
    await run;
  }
}

const unavailable: CallErrorDetails = { kind: "transient", code: "unavailable" };
const refused: CallErrorDetails = { kind: "refused", code: "invalid_argument" };

Deno.test("sender sends what is pending in batches, and what is appended later when it is appended", async () => {
  const bench = new Bench(() => "accept", { batchEventsMax: 3, batchBytesMax: 25 });
  bench.append(5);
  const run = bench.sender.run(bench.stop.signal);
  assert.ok(await bench.sender.flushed());
  assert.deepEqual(bench.calls, [[1n, 2n], [3n, 4n], [5n]]);
  bench.log.append(6n, new Uint8Array(1_000));
  assert.ok(await bench.sender.flushed());
  assert.deepEqual(bench.calls[3], [6n]);
  assert.deepEqual(bench.log.acknowledged, [1n, 2n, 3n, 4n, 5n, 6n]);
  bench.log.close();
  await run;
  assert.equal(await bench.sender.flushed(), false);
  assert.deepEqual(bench.clock.delaysMs, []);
  assert.deepEqual(bench.lines.slice(0, 2), [
    "DBG Attempting to send unsent records unsent_count=2",
    "DBG Successfully sent records count=2",
  ]);
});

Deno.test("sender backs off while the server is away, and tells how long it was", async () => {
  const bench = new Bench((_, call) => call < 8 ? { ...unavailable, httpStatus: 429 } : "accept", {
    batchEventsMax: 2,
  });
  bench.append(4);
  await bench.deliver();
  assert.deepEqual(bench.clock.delaysMs, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
  assert.deepEqual(bench.lines.slice(1, 2), [
    "WRN Failed to send events - retrying count=2 code=unavailable http_status=429 attempt=1 delay_ms=1000 " +
    'error="the server\'s words"',
  ]);
  assert.ok(bench.lines.includes("INF Successfully sent records count=2 out_for_ms=123000"));
  assert.equal(bench.lines.filter((line) => line.startsWith("INF")).length, 1);
  assert.deepEqual(bench.attempts.map(({ result }) => result), [
    ...Array(7).fill("transient"),
    "accepted",
    "accepted",
  ]);
});

Deno.test("sender starts over with short delays after a success", async () => {
  const bench = new Bench((_, call) => call % 3 !== 0 ? unavailable : "accept", { batchEventsMax: 1 });
  bench.append(2);
  await bench.deliver();
  assert.deepEqual(bench.clock.delaysMs, [1_000, 2_000, 1_000, 2_000]);
});

Deno.test("sender waits as long as Retry-After says, within reason", async () => {
  const retryAfterMs = [45_000, 10, Number.MAX_VALUE];
  const bench = new Bench((_, call) =>
    call <= 3 ? { ...unavailable, retryAfterMs: retryAfterMs[call - 1] } : "accept"
  );
  bench.append(1);
  await bench.deliver();
  assert.deepEqual(bench.clock.delaysMs, [45_000, 2_000, RETRY_AFTER_MAX_MS]);
});

Deno.test("sender knocks seldom when its credentials are refused, and loses nothing", async () => {
  const bench = new Bench((_, call) =>
    call <= 30 ? { kind: "authentication", code: "unauthenticated", httpStatus: 401 } : "accept"
  );
  bench.append(2);
  await bench.deliver();
  assert.deepEqual(bench.clock.delaysMs, Array(30).fill(60_000));
  assert.deepEqual(bench.log.acknowledged, [1n, 2n]);
});

Deno.test("sender finds the one bad event, gives it up after its attempts, and sends the rest in order", async () => {
  const bench = new Bench((sequences) => sequences.includes(6n) ? refused : "accept", { attemptsMax: 3 });
  bench.append(8);
  await bench.deliver();
  assert.deepEqual(bench.calls, [
    [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
    [1n, 2n, 3n, 4n],
    [5n, 6n],
    [5n],
    [6n],
    [6n],
    [6n],
    [7n], // The server proves that it takes others,
    [6n], // but not this one,
    [8n], // and others still: so the event is bad.
  ]);
  assert.deepEqual(bench.clock.delaysMs, [1_000, 2_000]);
  assert.deepEqual(bench.log.records.slice(4), [
    { kind: "acknowledged", sequence: 5n },
    { kind: "failed", sequence: 6n, code: "invalid_argument", attempts: 4 },
    { kind: "acknowledged", sequence: 7n },
    { kind: "acknowledged", sequence: 8n },
  ]);
  assert.equal(bench.lines.filter((line) => line.startsWith("ERR Gave up an event")).length, 1);
});

Deno.test("sender proves itself with an event that was accepted before when nothing else is pending", async () => {
  const bench = new Bench((sequences) => sequences.includes(2n) ? refused : "accept", { attemptsMax: 1 });
  bench.append(2);
  await bench.deliver();
  assert.deepEqual(bench.calls, [[1n, 2n], [1n], [2n], [1n], [2n], [1n]]);
  assert.deepEqual(bench.log.failed, [2n]);
});

Deno.test("sender gives nothing up while the server refuses everything, however long it does", async () => {
  const bench = new Bench((_, call) => call <= 1_000 ? refused : "accept");
  bench.append(20);
  await bench.deliver();
  assert.deepEqual(bench.log.failed, []);
  assert.equal(bench.log.acknowledged.length, 20);
  assert.ok(bench.clock.delaysMs.length > 200);
});

Deno.test("sender keeps an event that is the only one of its log", async () => {
  const bench: Bench = new Bench((_, call) => {
    if (call === 50) bench.stop.abort();
    return refused;
  });
  bench.append(1);
  await bench.sender.run(bench.stop.signal);
  assert.deepEqual(bench.log.pendingSequences, [1n]);
  assert.deepEqual(bench.log.records, []);
  assert.ok(
    bench.lines.some((line) => line.includes("kept: no other event of this log was accepted either")),
  );
});

Deno.test("sender lets an event through that is accepted right after the proof", async () => {
  let down = true;
  const bench = new Bench((sequences) => {
    if (sequences.includes(2n)) down = false;
    else if (down) return refused;
    return "accept";
  }, { attemptsMax: 2, batchEventsMax: 1 });
  bench.append(3);
  await bench.deliver();
  assert.deepEqual(bench.calls, [[1n], [1n], [2n], [1n], [3n]]);
  assert.deepEqual(bench.log.acknowledged, [1n, 2n, 3n]);
});

Deno.test("sender gives up an event that is too large on its own, and sends smaller batches from then on", async () => {
  const tooLarge: CallErrorDetails = { kind: "refused", code: "resource_exhausted", tooLarge: true };
  const bench = new Bench((sequences) => sequences.includes(1n) ? tooLarge : "accept", { attemptsMax: 1 });
  bench.log.append(1n, new Uint8Array(2 * 1024 * 1024));
  bench.log.append(2n);
  await bench.deliver();
  assert.deepEqual(bench.calls, [[1n], [2n], [1n], [2n]]);
  assert.deepEqual([bench.log.failed, bench.log.acknowledged], [[1n], [2n]]);
});

Deno.test("sender aborts a call in flight when it is stopped, and leaves its events pending", async () => {
  const bench = new Bench(() => new Promise<never>(() => {}));
  bench.append(2);
  const run = bench.sender.run(bench.stop.signal);
  const flushed = bench.sender.flushed();
  await Promise.resolve();
  bench.stop.abort();
  await run;
  assert.equal(await flushed, false);
  assert.deepEqual(bench.log.pendingSequences, [1n, 2n]);
  assert.deepEqual(bench.attempts.map(({ result }) => result), ["aborted"]);
  assert.deepEqual(bench.clock.delaysMs, []);
});

Deno.test("sender sends nothing when it is stopped before it starts", async () => {
  const bench = new Bench(() => "accept");
  bench.append(1);
  bench.stop.abort();
  await bench.sender.run(bench.stop.signal);
  assert.deepEqual(bench.calls, []);
  await assert.rejects(bench.sender.run(bench.stop.signal), TypeError);
});

Deno.test("waiting for the flush ends when the waiter is no longer interested", async () => {
  const bench = new Bench(() => new Promise<never>(() => {}));
  bench.append(1);
  const run = bench.sender.run(bench.stop.signal);
  const impatient = new AbortController();
  const flushed = bench.sender.flushed(impatient.signal);
  impatient.abort();
  assert.equal(await flushed, false);
  assert.equal(await bench.sender.flushed(impatient.signal), false);
  bench.stop.abort();
  await run;
});

Deno.test("sender writes an acknowledgement again when the disk was full, without sending the events again", async () => {
  const bench = new Bench(() => "accept");
  bench.append(2);
  let failures = 2;
  bench.log.onWrite = () => {
    if (failures-- > 0) throw new Error("No space left on device");
  };
  await bench.deliver();
  assert.deepEqual(bench.calls, [[1n, 2n]]);
  assert.deepEqual(bench.log.acknowledged, [1n, 2n]);
  assert.deepEqual(bench.clock.delaysMs, [1_000, 2_000]);
  assert.match(bench.lines[2], /^WRN Failed to record events as sent - retrying .*No space left on device/);
});

Deno.test("sender proves an event to be bad only once when the disk was full", async () => {
  const bench = new Bench((sequences) => sequences.includes(1n) ? refused : "accept", {
    attemptsMax: 1,
    batchEventsMax: 1,
  });
  bench.append(3);
  let failures = 2;
  bench.log.onWrite = () => {
    if (failures-- > 0) throw new Error("No space left on device");
  };
  await bench.deliver();
  assert.deepEqual(bench.calls, [[1n], [2n], [1n], [3n]]);
  assert.deepEqual([bench.log.failed, bench.log.acknowledged], [[1n], [2n, 3n]]);
  assert.deepEqual(bench.clock.delaysMs, [1_000, 2_000]);
});

Deno.test("sender tells an observer what was acknowledged, stored before, retried and given up", async () => {
  const log = new FakeLog();
  for (const sequence of [1n, 2n, 3n]) log.append(sequence);
  const told: unknown[] = [];
  const stop = new AbortController();
  let calls = 0;
  const sender = new Sender({
    log,
    publisher: {
      publish: ([{ sequence }]) => {
        if (++calls === 1) return Promise.reject(new CallError("away", unavailable));
        if (sequence === 2n) return Promise.reject(new CallError("odd", refused));
        return Promise.resolve({ stored: 0, duplicates: 1 });
      },
    },
    settings: { batchEventsMax: 1, attemptsMax: 1, backoff: USUAL_BACKOFF },
    clock: new FakeClock(),
    random: () => 0.5,
    logger: createLogger("error", () => {}),
    observe: {
      acknowledged: (count) => told.push(["acknowledged", count]),
      duplicates: (count) => told.push(["duplicates", count]),
      retry: (delayMs) => told.push(["retry", delayMs]),
      failed: ({ sequence }) => told.push(["failed", sequence]),
    },
  });
  const run = sender.run(stop.signal);
  assert.ok(await sender.flushed());
  stop.abort();
  await run;
  assert.deepEqual(told, [
    ["retry", 1_000],
    ["duplicates", 1],
    ["acknowledged", 1],
    ["duplicates", 1], // The first probe, the event after the bad one,
    ["duplicates", 1], // and the second, the event before it.
    ["failed", 2n],
    ["acknowledged", 1],
  ]);
});

Deno.test("a log that takes no more ends the run with its error", async () => {
  const bench = new Bench(() => "accept");
  bench.append(1);
  const sealed = new Error("Log is sealed");
  bench.log.sealed = sealed;
  bench.log.onWrite = () => {
    throw sealed;
  };
  const flushed = bench.sender.flushed();
  await assert.rejects(bench.sender.run(bench.stop.signal), sealed);
  assert.equal(await flushed, false);
});

Deno.test("sender gets a real log's worth of events over sockets that break", async () => {
  const log = new FakeLog();
  const clock = new FakeClock();
  const refuse = ({ events }: { events: { sequence: bigint }[] }) =>
    events.some(({ sequence }) => sequence === 7n)
      ? new ConnectError("odd", Code.InvalidArgument)
      : undefined;
  const server = new FakeServer({ refuse });
  server.failNext(
    "PublishJobEvents",
    { kind: "cut" },
    { kind: "cut", stored: true },
    { kind: "http", status: 429, headers: { "retry-after": "70" } },
    { kind: "http", status: 413, early: true, body: "too large" },
    { kind: "http", status: 502, body: "<h1>Bad gateway</h1>" },
    { kind: "connect_error", code: Code.InvalidArgument, message: "database is away" },
    { kind: "cut_answer", body: new Uint8Array(2) },
    { kind: "silence" },
  );
  const transport = createServerTransport({ network: systemNetwork, server: server.url, clock: systemClock });
  const publisher = createPublisher({ transport, target: { taskToken: "token" }, deadlineMs: 100, clock });
  const stop = new AbortController();
  const settings = { attemptsMax: 2, backoff: USUAL_BACKOFF };
  const logger = createLogger("error", () => {});
  const sender = new Sender({ log, publisher, settings, clock, random: () => 0.5, logger });
  const payloads = new Map<bigint, PendingEvent>();
  try {
    for (let sequence = 1n; sequence <= 30n; sequence++) {
      const output = crypto.getRandomValues(new Uint8Array(3_000));
      const event = createEvent(sequence, 1_700_000_000_000, { case: "output", value: { output } });
      payloads.set(sequence, log.append(sequence, encodeEvent(event)));
    }
    log.append(31n, new Uint8Array([0xff]));
    const run = sender.run(stop.signal);
    assert.ok(await sender.flushed());
    stop.abort();
    await run;
  } finally {
    transport.close();
    await server.stop();
  }
  const good = [...payloads.keys()].filter((sequence) => sequence !== 7n);
  assert.deepEqual([...server.stored].sort((a, b) => Number(a - b)), good);
  assert.deepEqual([log.acknowledged, log.failed], [good, [7n, 31n]]);
  assert.ok(clock.delaysMs.includes(70_000));
  for (const { requests } of server.received) {
    for (const event of requests[0].events) {
      assert.deepEqual(encodeEvent(event), payloads.get(event.sequence)?.payload);
    }
  }
});
