import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { type MetricsListener, type MetricsListenerOptions, startMetricsListener } from "./listener.ts";
import { systemNetwork } from "../platform/system_network.ts";

class Listening implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  reasons: string[] = [];
  readonly #watchers: (() => void)[] = [];
  readonly #listener: MetricsListener;

  constructor(port: number, options: Partial<MetricsListenerOptions> = {}) {
    this.#listener = startMetricsListener({
      network: systemNetwork,
      listen: { hostname: "127.0.0.1", port },
      metrics: () => Promise.resolve("up 1\n"),
      reasonsNotReady: () => Promise.resolve(this.reasons),
      clock: this.clock,
      logger: createLogger("debug", (line) => {
        this.lines.push(line);
        for (const wake of this.#watchers.splice(0)) wake();
      }),
      ...options,
    });
  }

  async url(): Promise<string> {
    for (;;) {
      for (const line of this.lines) {
        const match = /Serving metrics url=(\S+)/.exec(line);
        if (match !== null) return match[1];
      }
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  async get(path: string, method = "GET"): Promise<[status: number, body: string, headers: Headers]> {
    const response = await fetch(await this.url() + path, { method });
    return [response.status, await response.text(), response.headers];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
  }
}

Deno.test("listener answers at three paths, to GET and HEAD alone", async () => {
  await using listening = new Listening(0);
  const [status, body, headers] = await listening.get("/metrics");
  assert.deepEqual([status, body], [200, "up 1\n"]);
  assert.equal(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.deepEqual((await listening.get("/healthz")).slice(0, 2), [200, "ok\n"]);
  assert.deepEqual((await listening.get("/readyz")).slice(0, 2), [200, "ready\n"]);
  assert.deepEqual((await listening.get("/metrics", "HEAD")).slice(0, 2), [200, ""]);
  const [refused, , refusal] = await listening.get("/metrics", "POST");
  assert.deepEqual([refused, refusal.get("allow")], [405, "GET, HEAD"]);
  for (const path of ["/", "/metrics/", "/debug", "/..%2fetc/passwd"]) {
    assert.equal((await listening.get(path))[0], 404, path);
  }
});

Deno.test("readiness is 503 with a reason a line, and 200 again when there is none", async () => {
  await using listening = new Listening(0);
  listening.reasons = ["appends fail", "a log is sealed"];
  assert.deepEqual((await listening.get("/readyz")).slice(0, 2), [503, "appends fail\na log is sealed\n"]);
  assert.equal((await listening.get("/healthz"))[0], 200, "alive all the same");
  listening.reasons = [];
  assert.equal((await listening.get("/readyz"))[0], 200);
});

Deno.test("a taken port is reported once and tried again until it is free", async () => {
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using listening = new Listening(other.addr.port);
  await listening.clock.pass(10_000);
  await listening.clock.sleeping(10_000);
  assert.equal(listening.lines.length, 1);
  assert.match(
    listening.lines[0],
    /^ERR Cannot serve metrics - retrying.*--metrics-listen=off.*another worker/,
  );
  other.close();
  await listening.clock.pass(10_000);
  assert.equal((await listening.get("/healthz"))[0], 200);
});

Deno.test("closing waits for no answer", async () => {
  const asked = Promise.withResolvers<void>();
  const listening = new Listening(0, {
    metrics() {
      asked.resolve();
      return new Promise(() => {});
    },
  });
  const answer = listening.get("/metrics").catch(() => "cut");
  await asked.promise;
  await listening[Symbol.asyncDispose]();
  assert.equal(await answer, "cut");
});

Deno.test("metrics that cannot be collected are an error for Prometheus, and say nothing to it", async () => {
  await using listening = new Listening(0, { metrics: () => Promise.reject(new Error("in /secret/path")) });
  const [status, body] = await listening.get("/metrics");
  assert.equal(status, 500);
  assert.doesNotMatch(body, /secret/);
  assert.match(listening.lines.join("\n"), /ERR Metrics could not be collected.*secret/);
});
