import { systemNetwork } from "../platform/system_network.ts";
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { FakeServer, type FakeServerOptions } from "../../tests/support/fake_server.ts";
import { outputEvent } from "../../tests/support/server_client.ts";
import { createServerTransport } from "../client/transport.ts";
import { encodeEvent } from "../events/event.ts";
import type { Clock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { Log } from "../wal/log.ts";
import { logNames } from "../wal/file_names.ts";
import { replayLog, type ReplayResult } from "./send.ts";
import { systemHost } from "../platform/system_host.ts";

const EXECUTION = {
  job_id: "job",
  execution: 1,
  queue: "q",
  server: "http://127.0.0.1:1",
  task_token: "token",
  worker: "w",
  version: "1",
  started_at_ms: 1,
};

/** Whoever sleeps wakes at once, and that much later. */
function hastyClock(): Clock & { slept: number[] } {
  let elapsedMs = 0;
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => 1_700_000_000_000 + elapsedMs,
    elapsedMs: () => elapsedMs,
    sleep(durationMs) {
      slept.push(durationMs);
      elapsedMs += durationMs;
      return Promise.resolve();
    },
  };
}

async function replay(
  events: number,
  options: FakeServerOptions,
  { eventsPerSecondMax, clock = hastyClock(), prepare }: {
    eventsPerSecondMax?: number;
    clock?: Clock;
    prepare?: (server: FakeServer) => void;
  } = {},
): Promise<{ result: ReplayResult; stored: bigint[]; pending: number; progress: number[] }> {
  const directory = Deno.makeTempDirSync();
  const server = new FakeServer(options);
  const transport = createServerTransport({ network: systemNetwork, server: server.url, clock });
  const log = await Log.create(directory, logNames("job"), EXECUTION, systemHost);
  const progress: number[] = [];
  try {
    for (let n = 1; n <= events; n++) {
      await log.append({ sequence: BigInt(n), timestampMs: n, payload: encodeEvent(outputEvent(n)) });
    }
    prepare?.(server);
    const context = {
      transport,
      jobClient: { complete: () => Promise.resolve() },
      requestTimeoutMs: 10_000,
      backoff: { initialMs: 1000, maxMs: 60_000, factor: 2, jitter: 0 },
      clock,
      random: () => 0.5,
      logger: silentLogger,
    };
    const onProgress = (count: number) => void progress.push(count);
    const result = await replayLog(
      context,
      { log, execution: EXECUTION, eventsPerSecondMax, onProgress, canAdopt: false },
      new AbortController().signal,
    );
    return { result, stored: server.stored, pending: log.counts.pending, progress };
  } finally {
    await log.close();
    transport.close();
    await server.stop();
    Deno.removeSync(directory, { recursive: true });
  }
}

const refuse = (message: string) => new ConnectError(message, Code.InvalidArgument);

Deno.test("replay sends everything in order and says how far it is", async () => {
  const { result, stored, pending, progress } = await replay(600, {});
  assert.deepEqual([result.end, result.sent, result.gaveUp, pending], ["sent", 600, 0, 0]);
  assert.deepEqual(stored, Array.from({ length: 600 }, (_, n) => BigInt(n + 1)));
  assert.equal(progress.at(-1), 600);
});

Deno.test("replay gives up the one event that the server refuses, and sends the others", async () => {
  const { result, stored } = await replay(20, {
    refuse: ({ events }) => events.some(({ sequence }) => sequence === 7n) ? refuse("bad event") : undefined,
  });
  assert.deepEqual([result.end, result.sent, result.gaveUp], ["sent", 19, 1]);
  assert.equal(stored.length, 19);
});

Deno.test("replay ends when the server refuses everything, and gives up nothing", async () => {
  for (const events of [1, 20, 600]) {
    const { result, pending } = await replay(events, { refuse: () => refuse("The task token is unknown") });
    assert.deepEqual([result.end, result.reason], ["refused", "The task token is unknown"]);
    assert.deepEqual([result.sent, result.gaveUp, pending], [0, 0, events]);
  }
});

Deno.test("replay waits for a server that comes back, and not for one that stays away or lets nobody in", async () => {
  const busy = { kind: "http", status: 503 } as const;
  const back = await replay(3, {}, {
    prepare: (server) => server.failNext("PublishJobEvents", busy, busy, busy),
  });
  assert.deepEqual([back.result.end, back.result.sent], ["sent", 3]);
  const faults = Array(30).fill(busy);
  const away = await replay(3, {}, { prepare: (server) => server.failNext("PublishJobEvents", ...faults) });
  assert.deepEqual([away.result.end, away.pending], ["unreachable", 3]);
  const stranger = await replay(3, { refuse: () => new ConnectError("who are you", Code.Unauthenticated) });
  assert.deepEqual([stranger.result.end, stranger.result.reason], ["authentication", "who are you"]);
});

Deno.test("replay at a rate waits between its calls, and its calls are a second's worth at most", async () => {
  const clock = hastyClock();
  const { result } = await replay(100, {}, { eventsPerSecondMax: 10, clock });
  assert.equal(result.sent, 100);
  assert.deepEqual(clock.slept, Array(9).fill(1000));
});
