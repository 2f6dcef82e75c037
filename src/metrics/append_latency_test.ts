import assert from "node:assert/strict";
import { MetricRegistry } from "./registry.ts";
import { WORKER_METRICS } from "./table.ts";
import { askAppendLatency, parseAppendLatency, reachable } from "./append_latency.ts";
import { systemHost } from "../platform/system_host.ts";

async function metricsOf(durationsMs: number[]): Promise<string> {
  const registry = await MetricRegistry.create(WORKER_METRICS);
  for (const durationMs of durationsMs) registry.observeMs("wal_append_duration_seconds", durationMs);
  return await registry.render();
}

Deno.test("latency is read from a worker's own metrics", async () => {
  assert.deepEqual(parseAppendLatency(await metricsOf([])), {
    count: 0,
    p50Seconds: undefined,
    p99Seconds: undefined,
  });
  const ninetyEightFast = [...Array(98).fill(0.2), 20, 20];
  const latency = parseAppendLatency(await metricsOf(ninetyEightFast));
  assert.equal(latency?.count, 100);
  // Half of the way, by count, through the bucket from 100 us to 250 us.
  assert.ok(Math.abs(latency.p50Seconds! - (0.0001 + 0.00015 * 50 / 98)) < 1e-9);
  assert.ok(latency.p99Seconds! > 0.01 && latency.p99Seconds! <= 0.025);
});

Deno.test("what is beyond the last bound counts as that bound, and other metrics as no worker", async () => {
  assert.equal(parseAppendLatency(await metricsOf([60_000]))?.p50Seconds, 5);
  assert.equal(parseAppendLatency("up 1\n"), undefined);
  assert.equal(parseAppendLatency(""), undefined);
});

Deno.test("a listener is asked on this machine, and nobody there is an answer", async () => {
  const body = await metricsOf([1]);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(body));
  const { port } = server.addr;
  assert.equal((await askAppendLatency(systemHost, { hostname: "0.0.0.0", port }))?.count, 1);
  await server.shutdown();
  assert.equal(await askAppendLatency(systemHost, { hostname: "127.0.0.1", port }), undefined);
  assert.deepEqual(reachable({ hostname: "::", port: 1 }), { hostname: "::1", port: 1 });
});
