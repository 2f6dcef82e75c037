import assert from "node:assert/strict";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { CancelOutcome } from "../../events/gen/airunner/v1/airunner_pb.ts";
import { systemHost } from "../../platform/system_host.ts";
import { ManualClock } from "../../../tests/support/manual_clock.ts";
import { assertRefused } from "../../../tests/support/refusals.ts";
import { TestServer } from "../../../tests/support/running_server.ts";
import { collect, outputEvent, publishRequests } from "../../../tests/support/server_client.ts";
import { Watcher } from "../../../tests/support/watcher.ts";
import { until } from "../../../tests/support/within.ts";

Deno.test("a worker is told of a cancellation at once, in binary and in JSON", async () => {
  await using server = await TestServer.start();
  for (const json of [false, true]) {
    const client = server.client({ json });
    const jobId = await server.enqueue();
    const { taskToken } = await server.claim();
    await using watcher = await Watcher.open(client, { taskTokens: [taskToken] });
    const answer = await client.control.cancelJob({ jobId, reason: "not needed" });
    assert.deepEqual([answer.outcome, answer.isHeard], [CancelOutcome.REQUESTED, true]);
    assert.equal(await watcher.next(), `${jobId}/1 not needed`);
  }
});

Deno.test("a worker hears that the server is there every 15 s, and of a cancellation only once", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim(40_000);
  await using watcher = await Watcher.open(server, { taskTokens: [taskToken] });
  for (let beat = 0; beat < 2; beat++) {
    await clock.pass(15_000);
    assert.equal(await watcher.next(), "alive");
  }
  await clock.sleeping(15_000);
  clock.advance(5_000);
  await server.control.cancelJob({ jobId, reason: "first" });
  assert.equal(await watcher.next(), `${jobId}/1 first`);
  await server.control.cancelJob({ jobId, reason: "second" });
  await clock.pass(10_000);
  assert.equal(await watcher.next(), "alive");
});

Deno.test("a worker that was away hears of what was cancelled meanwhile, also by an earlier server", async () => {
  await using server = await TestServer.start();
  const [first, second] = [await server.enqueue(), await server.enqueue()];
  const tokens = [(await server.claim()).taskToken, (await server.claim()).taskToken];
  await server.control.cancelJob({ jobId: first, reason: "nobody listened" });
  await server.stop();
  await server.start();
  for (let time = 0; time < 2; time++) {
    await using watcher = await Watcher.open(server, { taskTokens: tokens });
    assert.equal(await watcher.next(), `${first}/1 nobody listened`);
    if (time > 0) continue;
    await server.control.cancelJob({ jobId: second });
    assert.equal(await watcher.next(), `${second}/1 `);
  }
});

Deno.test("a worker whose execution expired after the cancellation hears of it when it is back", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim(10);
  await server.control.cancelJob({ jobId, reason: "gone" });
  await clock.pass(10_000);
  await using watcher = await Watcher.open(server, { taskTokens: [taskToken] });
  assert.equal(await watcher.next(), `${jobId}/1 gone`);
});

Deno.test("a worker that runs what went back to its queue hears at once that it was cancelled there", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim(10);
  await using watcher = await Watcher.open(server, { taskTokens: [taskToken] });
  await clock.pass(10_000);
  const { outcome } = await server.control.cancelJob({ jobId, reason: "too late" });
  assert.equal(outcome, CancelOutcome.CANCELLED);
  assert.equal(await watcher.next(), `${jobId}/1 too late`);
});

Deno.test("nothing is told of jobs that are not to be cancelled, nor of tokens that are no longer current", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const requeued = await server.enqueue();
  const { taskToken: old } = await server.claim(10);
  const again = server.claim(40_000);
  await clock.pass(10_000);
  const { taskToken: current } = await again;
  const completed = await server.enqueue();
  const { taskToken: done } = await server.claim(40_000);
  await server.jobs.completeJob({ taskToken: done, jobResult: { jobId: completed, success: true } });
  await server.control.cancelJob({ jobId: completed });
  await using watcher = await Watcher.open(server, { taskTokens: [old, current, done, "nonsense", ""] });
  const { workers: [{ jobIds }] } = await server.control.listWorkers({});
  assert.deepEqual(jobIds, [requeued, completed]);
  await clock.pass(15_000);
  assert.equal(await watcher.next(), "alive");
  await server.jobs.completeJob({ taskToken: current, jobResult: { jobId: requeued, success: true } });
  await server.control.cancelJob({ jobId: requeued });
  await clock.pass(15_000);
  assert.equal(await watcher.next(), "alive");
});

Deno.test("a worker is listed with its jobs while it is connected, and as gone afterwards, also after a restart", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const listed = async () =>
    (await server.control.listWorkers({})).workers.map(({ worker, isConnected, jobIds }) =>
      `${worker!.id} ${worker!.name} ${worker!.queue} ${worker!.concurrency} ${isConnected} ${jobIds.join()}`
    );
  {
    await using _other = await Watcher.open(server, { id: "w-2", name: "host-0", queue: "mac" });
    await using _watcher = await Watcher.open(server, { id: "w-1", taskTokens: [taskToken] });
    assert.deepEqual(await listed(), ["w-2 host-0 mac 4 true ", `w-1 host-1 default 4 true ${jobId}`]);
    const { queues } = await server.control.listQueues({});
    assert.deepEqual(queues.map(({ name, workers }) => `${name} ${workers}`), ["default 1", "mac 1"]);
  }
  const gone = ["w-2 host-0 mac 4 false ", "w-1 host-1 default 4 false "];
  // Their connections are closed when the server has noticed.
  await until(async () => (await listed()).join() === gone.join(), () => "the workers are still connected");
  await server.stop();
  await server.start();
  assert.deepEqual(await listed(), gone);
});

Deno.test("a worker's last sign of life is the last call that came from it", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const { jobs, events } = server.client({ headers: { "airunner-worker-id": "w-1" } });
  await server.enqueue();
  const { taskToken } = await server.claim(40_000);
  await using _watcher = await Watcher.open(server, { id: "w-1", taskTokens: [taskToken] });
  const seen = async () => timestampMs((await server.control.listWorkers({})).workers[0].lastSeenAt!);
  const openedAtMs = clock.nowMs();
  await clock.pass(15_000);
  assert.equal(await seen(), openedAtMs, "What is said to it is no sign of its");
  const calls = [
    () => jobs.updateJob({ taskToken }),
    () => events.publishJobEvents(publishRequests(taskToken, [[outputEvent(1)]])),
    async () => (await server.enqueue(), await collect(jobs.dequeueJob({}))),
  ];
  for (const call of calls) {
    clock.advance(1_000);
    await call();
    assert.equal(await seen(), clock.nowMs());
  }
});

Deno.test("a server that stops sends workers away, and they know that it will be back", async () => {
  await using server = await TestServer.start();
  await using watcher = await Watcher.open(server);
  const next = watcher.next();
  const refused = assertRefused(next, Code.Unavailable, /The server is stopping; try again/);
  await server.stop();
  await refused;
  await server.start();
});

Deno.test("no cancellation is lost that comes while a worker changes from one call to the next", async () => {
  await using server = await TestServer.start();
  for (let round = 0; round < 30; round++) {
    const jobId = await server.enqueue();
    const { taskToken } = await server.claim();
    const opening = Watcher.open(server, { taskTokens: [taskToken] });
    const cancelling = server.control.cancelJob({ jobId, reason: `round ${round}` });
    await using watcher = await opening;
    assert.equal(await watcher.next(), `${jobId}/1 round ${round}`);
    await cancelling;
  }
});

Deno.test("the oldest of too many calls of one worker ends, and the others go on", async () => {
  await using server = await TestServer.start();
  await using watchers = new AsyncDisposableStack();
  const first = watchers.use(await Watcher.open(server));
  for (let count = 1; count < 8; count++) watchers.use(await Watcher.open(server));
  const next = first.next();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const newest = watchers.use(await Watcher.open(server, { taskTokens: [taskToken] }));
  await assertRefused(next, Code.Aborted, /Newer calls of the same worker took this one's place/);
  assert.equal((await server.control.listWorkers({})).workers.length, 1);
  await server.control.cancelJob({ jobId });
  assert.equal(await newest.next(), `${jobId}/1 `);
});

Deno.test("a watch that asks for too much is refused in clear words", async () => {
  await using server = await TestServer.start();
  const { workers } = server;
  const worker = { id: "w", name: "n", version: "1", queue: "", concurrency: 1 };
  const table: [Parameters<typeof workers.watch>[0], RegExp][] = [
    [{}, /worker is required/],
    [{ worker: { ...worker, id: "" } }, /worker.id is required/],
    [{ worker: { ...worker, id: "x".repeat(129) } }, /worker.id has 129 characters; at most 128/],
    [{ worker: { ...worker, name: "\x1b[2J" } }, /worker.name contains a character that is not printable/],
    [{ worker: { ...worker, version: "é" } }, /worker.version contains a character/],
    [{ worker: { ...worker, queue: "x".repeat(129) } }, /queue has 129 characters/],
    [{ worker: { ...worker, concurrency: -1 } }, /worker.concurrency is -1; it must be from 0 to 1000/],
    [{ worker: { ...worker, concurrency: 1_001 } }, /worker.concurrency is 1001/],
    [{ worker, taskTokens: Array(1_001).fill("t") }, /task_tokens has 1001 tokens; at most 1000/],
  ];
  for (const [request, message] of table) {
    const first = workers.watch(request)[Symbol.asyncIterator]().next();
    await assertRefused(first, Code.InvalidArgument, message, "REQUEST_INVALID");
  }
  assert.deepEqual((await server.control.listWorkers({})).workers, []);
});
