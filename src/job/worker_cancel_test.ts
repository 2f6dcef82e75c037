/**
 * A whole worker, and a server that cancels what it runs.
 */
import assert from "node:assert/strict";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { FakeQueue, tokenOf } from "../../tests/support/fake_queue.ts";
import { FakeWorkerService } from "../../tests/support/fake_worker_service.ts";
import { Gate } from "../../tests/support/gate.ts";
import { within } from "../../tests/support/within.ts";
import { WorkerFixture } from "../../tests/support/worker_fixture.ts";

const soon = <T>(promise: Promise<T>, what: string) => within(promise, () => what);

function server() {
  const queue = new FakeQueue();
  const service = new FakeWorkerService();
  const headers: Headers[] = [];
  const transport = createRouterTransport((router) => {
    queue.routes(router);
    service.routes(router);
  }, {
    router: {
      interceptors: [(next) => (request) => {
        if (request.method.name === "DequeueJob") headers.push(request.header);
        return next(request);
      }],
    },
  });
  return { queue, service, transport, headers };
}

Deno.test("a worker says who it is when it takes jobs, and ends the one that is cancelled, whose end is delivered", async () => {
  await using fixture = await WorkerFixture.start();
  using gate = new Gate(fixture.directory);
  const { queue, service, transport, headers } = server();
  queue.waiting.push({ jobId: "job-1", script: "echo begun; sleep 600" });
  queue.waiting.push({ jobId: "job-2", script: gate.wait });
  const worker = fixture.startWorker({ transport, workerName: "größe-1", workerId: "id-1" });
  const watch = await soon(service.watching(tokenOf("job-1"), tokenOf("job-2")), "both jobs are named");
  assert.equal(watch.request.worker?.name, "gr??e-1");
  assert.deepEqual([headers[0].get("airunner-worker"), headers[0].get("airunner-worker-id")], [
    "gr??e-1",
    "id-1",
  ]);
  watch.cancel("job-1", "not needed");
  await worker.waitFor(/Log archived.*job-1/);
  gate.open();
  await worker.waitFor(/Log archived.*job-2/);
  const results = new Map(queue.completed.map(({ jobResult }) => [jobResult!.jobId, jobResult!]));
  const { success, errorMessage } = results.get("job-1")!;
  assert.deepEqual([success, errorMessage], [false, "Cancelled: not needed"]);
  assert.equal(results.get("job-2")!.success, true);
  // Nothing runs any more, and nothing else is listened for.
  await soon(service.watching(), "a call without jobs");
  worker.drain.abort();
  assert.deepEqual(await worker.ended(), { end: "drained", jobsCompleted: 2, jobsLeft: 0 });
  for (const open of service.watches) await soon(open.closed, "the end of all calls");
});

Deno.test("a job that was cancelled while nobody listened hears of it when its worker is back", async () => {
  await using fixture = await WorkerFixture.start();
  const { queue, service, transport } = server();
  service.refusals.push(...[1, 2, 3].map(() => new ConnectError("cut off", Code.Unavailable)));
  queue.waiting.push({ jobId: "job-1", script: "sleep 600" });
  service.onWatch = (watch) => {
    if (watch.tokens.includes(tokenOf("job-1"))) watch.cancel("job-1");
  };
  const worker = fixture.startWorker({ transport });
  await worker.waitFor(/Log archived.*job-1/);
  assert.deepEqual(queue.completed.map(({ jobResult }) => jobResult!.errorMessage), ["Cancelled"]);
});

Deno.test("without a server that knows the call a worker runs jobs as ever", async () => {
  await using fixture = await WorkerFixture.start();
  using gate = new Gate(fixture.directory);
  const queue = new FakeQueue();
  queue.waiting.push({ jobId: "job-1", script: gate.wait });
  const worker = fixture.startWorker({ transport: createRouterTransport(queue.routes) });
  await worker.waitFor(/DBG The server does not tell workers of cancellations/);
  gate.open();
  await worker.waitFor(/Log archived.*job-1/);
  worker.drain.abort();
  assert.deepEqual(await worker.ended(), { end: "drained", jobsCompleted: 1, jobsLeft: 0 });
  assert.deepEqual(worker.lines.filter((line) => /^(WRN|ERR)/.test(line)), []);
});
