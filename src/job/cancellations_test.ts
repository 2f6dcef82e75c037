import assert from "node:assert/strict";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { FakeWorkerService } from "../../tests/support/fake_worker_service.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { within } from "../../tests/support/within.ts";
import { createWorkerClient } from "../client/worker_client.ts";
import { aborted } from "../platform/aborted.ts";
import { silentLogger } from "../platform/logging/logger.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { Cancellations } from "./cancellations.ts";

const IDENTITY = { id: "one", name: "host", version: "1", queue: "default", concurrency: 2 };

class Setup implements AsyncDisposable {
  readonly service = new FakeWorkerService();
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  readonly over = new AbortController();
  readonly cancellations: Cancellations;
  #running: Promise<void> | undefined;

  constructor() {
    const transport = createRouterTransport(this.service.routes);
    const { clock } = this;
    this.cancellations = new Cancellations({
      client: createWorkerClient({ transport, clock, requestTimeoutMs: 1000, logger: silentLogger }),
      worker: () => IDENTITY,
      backoff: { initialMs: 1000, maxMs: 60_000, factor: 2, jitter: 0 },
      clock,
      random: () => 0.5,
      logger: createLogger("debug", (line) => this.lines.push(line)),
    });
  }

  run(): void {
    this.#running = this.cancellations.run(this.over.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.over.abort();
    await within(this.#running!, () => "the end of listening");
  }
}

const soon = <T>(promise: Promise<T>, what: string) => within(promise, () => what);

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("a worker registers, and a job that runs hears of its cancellation and of no other", async () => {
  await using setup = new Setup();
  const { service, cancellations, clock } = setup;
  setup.run();
  const first = await soon(service.watch(1), "the first call");
  assert.deepEqual({ ...first.request.worker, $typeName: undefined, $unknown: undefined }, {
    ...IDENTITY,
    $typeName: undefined,
    $unknown: undefined,
  });
  using one = cancellations.listen("job-1", "token-1");
  using two = cancellations.listen("job-2", "token-2");
  await soon(clock.sleeping(100), "others that change may come together");
  clock.advance(100);
  const watch = await soon(service.watching("token-1", "token-2"), "a call with both");
  watch.cancel("job-2", "not needed");
  await soon(aborted(two.signal), "the cancellation");
  assert.deepEqual([two.signal.reason, one.signal.aborted], ["not needed", false]);
  // The second and the third time nothing more happens, nor for a job that does not run here.
  watch.cancel("job-2", "again");
  watch.cancel("job-3");
  await settle();
  assert.deepEqual([two.signal.reason, one.signal.aborted], ["not needed", false]);
});

Deno.test("a new call answers before the old one is closed, and one that fails leaves the old one open", async () => {
  await using setup = new Setup();
  const { service, cancellations, clock } = setup;
  setup.run();
  const first = await soon(service.watch(1), "the first call");
  service.answers = false;
  using one = cancellations.listen("job-1", "token-1");
  await soon(clock.sleeping(100), "a change");
  clock.advance(100);
  const second = await soon(service.watch(2), "the second call");
  await settle();
  assert.equal(first.isClosed, false, "the second has not answered");
  second.send(new ConnectError("a restart", Code.Unavailable));
  await soon(clock.sleeping(1000), "a wait before the next try");
  assert.equal(first.isClosed, false, "the second has failed");
  // It hears through the old one, should that be told.
  first.cancel("job-1", "early");
  await soon(aborted(one.signal), "the cancellation");
  service.answers = true;
  clock.advance(1000);
  await soon(service.watching("token-1"), "the third call");
  await settle();
  assert.deepEqual(service.open.map(({ tokens }) => tokens), [["token-1"]]);
});

Deno.test("45 s of silence end a call, and signs of life keep it", async () => {
  await using setup = new Setup();
  const { service, clock } = setup;
  setup.run();
  const first = await soon(service.watch(1), "the first call");
  for (let i = 0; i < 4; i++) {
    await settle();
    clock.advance(44_000);
    first.alive();
  }
  await settle();
  assert.equal(service.watches.length, 1);
  clock.advance(45_000);
  await soon(clock.sleeping(1000), "a wait before the next try");
  assert.equal(first.isClosed, true);
  assert.match(setup.lines.join("\n"), /DBG .*no sign of life for 45 s/);
  clock.advance(1000);
  await soon(service.watch(2), "the second call");
});

Deno.test("a server without the call is asked once, and again in an hour or when it was away", async () => {
  for (const code of [Code.Unimplemented, Code.InvalidArgument]) {
    await using setup = new Setup();
    const { service, clock, cancellations } = setup;
    const refuse = () => service.refusals.push(new ConnectError("no such method", code));
    refuse();
    refuse();
    refuse();
    setup.run();
    using _one = cancellations.listen("job-1", "token-1");
    await soon(clock.sleeping(3_600_000), "a long wait");
    assert.equal(service.watches.length, 1);
    clock.advance(3_600_000);
    await soon(service.watch(2), "the second call");
    await soon(clock.sleeping(3_600_000), "a long wait");
    cancellations.serverIsBack();
    await soon(service.watch(3), "the third call");
    await soon(clock.sleeping(3_600_000), "a long wait");
    assert.equal(setup.lines.length, 1, setup.lines.join("\n"));
    assert.match(setup.lines[0], /^DBG The server does not tell workers of cancellations/);
    // A newer one has it.
    cancellations.serverIsBack();
    await soon(service.watching("token-1"), "a call that is answered");
  }
});

Deno.test("a worker that may not register is told so once, and goes on trying", async () => {
  await using setup = new Setup();
  const { service, clock } = setup;
  service.refusals.push(...[1, 2].map(() => new ConnectError("role read", Code.PermissionDenied)));
  setup.run();
  for (const waitMs of [1000, 2000]) {
    await soon(clock.sleeping(waitMs), "a wait");
    clock.advance(waitMs);
  }
  await soon(service.watch(3), "the third call");
  assert.equal(
    setup.lines.filter((line) => /^WRN Not allowed to hear of cancellations/.test(line)).length,
    1,
  );
});
