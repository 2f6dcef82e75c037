/**
 * How a job's end gets to the server, on the compiled binary: servers that refuse it for a while, proxies in
 * between, workers that end meanwhile. Until the server knows, the log and its token stay.
 */
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { readSummary } from "../src/archive/summary.ts";
import { type Program, Sandbox } from "./support/airunner.ts";
import { FakeQueue, tokenOf } from "./support/fake_queue.ts";
import { FakeServer } from "./support/fake_server.ts";
import { systemFiles } from "../src/platform/system_files.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const names = (directory: string) => [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
const QUICK = ["--retry-initial-interval=5ms", "--retry-max-interval=20ms", "--log-level=debug"];

class Story implements AsyncDisposable {
  readonly sandbox = new Sandbox();
  readonly queue = new FakeQueue();
  readonly server = new FakeServer({ routes: this.queue.routes });
  readonly walDir = `${this.sandbox.dataDir}/wal`;
  readonly archiveDir = `${this.sandbox.dataDir}/archive`;

  startWorker(...more: string[]): Program {
    return this.sandbox.start(["worker", `--server=${this.server.url}`, ...QUICK, ...more]);
  }

  async wal(command: string, ...args: string[]) {
    const { code, stdout, stderr } = await this.sandbox.run(["wal", command, ...args]);
    return { code, stdout: text(stdout), stderr };
  }

  async completions(): Promise<Record<string, [string, string | null]>> {
    const { stdout } = await this.wal("ls", "--json");
    const { logs } = JSON.parse(stdout) as {
      logs: { job_id: string; state: string; completion: string | null }[];
    };
    return Object.fromEntries(logs.map(({ job_id, state, completion }) => [job_id, [state, completion]]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
    await this.server.stop();
  }
}

const refuse = () => new ConnectError("the database is away", Code.InvalidArgument);

Deno.test("a job's end that the server and a proxy refuse again and again is told until it is taken, and holds no slot", async () => {
  await using story = new Story();
  const { queue, server } = story;
  queue.waiting.push({ jobId: "first", script: "echo one; exit 3" });
  let isTaken = false;
  queue.refuseCompletion = ({ taskToken }) =>
    taskToken === tokenOf("first") && !isTaken ? refuse() : undefined;
  server.failNext(
    "CompleteJob",
    { kind: "http", status: 404, body: "<h1>Not Found</h1>", headers: { "content-type": "text/html" } },
    { kind: "http", status: 413, body: "too large" },
    {
      kind: "http",
      status: 200,
      body: "x".repeat(70_000_000),
      headers: { "content-type": "application/proto" },
    },
    { kind: "http", status: 404, body: "<h1>Not Found</h1>" },
  );
  const worker = story.startWorker("--concurrency=1");
  await worker.waitFor(/Delivered, not completed/);
  // The only slot is free, and the next job runs beside.
  queue.waiting.push({ jobId: "second", script: "echo two" });
  await worker.waitFor(/Log archived.*second/);
  await server.arrived("CompleteJob", 40);
  assert.deepEqual(names(story.walDir).filter((name) => name.endsWith(".wal")), ["first.wal"]);
  assert.ok(Deno.readTextFileSync(`${story.walDir}/first.wal`).includes(tokenOf("first")));
  assert.deepEqual((await story.completions()).first, ["active", "due"]);

  isTaken = true;
  await worker.waitFor(/Log archived.*first/);
  const { jobResult } = queue.completed.find(({ taskToken }) => taskToken === tokenOf("first"))!;
  assert.deepEqual([jobResult?.jobId, jobResult?.success, jobResult?.exitCode], ["first", false, 3]);
  assert.deepEqual(await story.completions(), {
    first: ["archived", "completed"],
    second: ["archived", "completed"],
  });
  const restored = await story.wal("restore", "first");
  assert.equal(restored.code, 0, restored.stderr);
  assert.ok(!Deno.readTextFileSync(`${story.walDir}/first.wal`).includes(tokenOf("first")));
  assert.ok(!worker.stderr.includes(tokenOf("first")));
});

Deno.test("a worker that ends leaves a job that is not completed to the next one", async () => {
  await using story = new Story();
  const { queue } = story;
  queue.waiting.push({ jobId: "job", script: "echo one; exit 3" });
  queue.refuseCompletion = refuse;
  const worker = story.startWorker();
  await worker.waitFor(/Delivered, not completed/);
  const { code, stderr } = await worker.kill("SIGTERM");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /Left for the next run: delivered, not completed; nothing is lost/);
  assert.match(stderr, /Worker ended.*jobs_completed=0 jobs_left=1/);
  const ls = await story.wal("ls");
  assert.match(ls.stdout, /job +orphaned .*exit code 3, delivered, not completed/);
  assert.match(ls.stdout, /airunner wal replay \S+job\.wal\s+tells the server how the job ended/);
  assert.match(
    (await story.wal("inspect", "job")).stdout,
    /ended with exit code 3; delivered, not completed/,
  );

  // A run that ends by itself does not wait for it, and says what is left.
  const once = await story.startWorker("--once").end();
  assert.equal(once.code, 0, once.stderr);
  assert.match(once.stderr, /Worker ended.*jobs_left=1/);
  assert.deepEqual((await story.completions()).job, ["orphaned", "due"]);

  queue.refuseCompletion = () => undefined;
  const last = await story.startWorker("--once").end();
  assert.equal(last.code, 0, last.stderr);
  assert.deepEqual(queue.completed.map(({ jobResult }) => jobResult?.exitCode), [3]);
  assert.deepEqual((await story.completions()).job, ["archived", "completed"]);
});

Deno.test("a job that was completed by a worker that was killed right then is completed again, and that does no harm", async () => {
  await using story = new Story();
  const { queue, server } = story;
  queue.waiting.push({ jobId: "job", script: "echo one" });
  const reached = Promise.withResolvers<void>();
  // The server has it, and its answer does not arrive.
  queue.refuseCompletion = () => {
    reached.resolve();
    return new ConnectError("slow", Code.Unavailable);
  };
  const worker = story.startWorker();
  await reached.promise;
  await worker.kill("SIGKILL");
  queue.refuseCompletion = () => undefined;
  const { code, stderr } = await story.startWorker("--once").end();
  assert.equal(code, 0, stderr);
  assert.equal(queue.completed.length, 1);
  assert.deepEqual(await story.completions(), { job: ["archived", "completed"] });
  assert.ok(server.calls.get("CompleteJob")! >= 2);
});

Deno.test("replay completes a job that was delivered, and asks for nothing the next time", async () => {
  await using story = new Story();
  const { queue, server } = story;
  queue.waiting.push({ jobId: "job", script: "echo one; exit 3" });
  queue.refuseCompletion = refuse;
  const worker = story.startWorker();
  await worker.waitFor(/Delivered, not completed/);
  await worker.kill("SIGTERM");

  const dry = await story.wal("replay", "--all", "--dry-run", "--json");
  assert.deepEqual(
    JSON.parse(dry.stdout).logs.map((log: Record<string, unknown>) => [log.to_send, log.completion_due]),
    [
      [0, true],
    ],
  );
  const refused = await story.wal("replay", "job");
  assert.equal(refused.code, 1, refused.stdout);
  assert.match(refused.stderr, /job: delivered, not completed: the server has every event/);
  assert.deepEqual(names(story.walDir), ["job.wal"]);

  queue.refuseCompletion = () => undefined;
  const replayed = await story.wal("replay", "job");
  assert.equal(replayed.code, 0, replayed.stderr);
  assert.match(replayed.stdout, /job: sent 0 events; job completed; archived as/);
  assert.deepEqual(queue.completed.map(({ jobResult }) => jobResult?.exitCode), [3]);
  const calls = server.calls.get("CompleteJob");
  assert.equal((await story.wal("replay", "--all")).code, 0);
  assert.equal(server.calls.get("CompleteJob"), calls);
});

Deno.test("archiving by hand keeps what it takes to complete the job, and says so", async () => {
  await using story = new Story();
  const { queue } = story;
  queue.waiting.push({ jobId: "job", script: "echo one; exit 3" });
  queue.refuseCompletion = refuse;
  const worker = story.startWorker();
  await worker.waitFor(/Delivered, not completed/);
  await worker.kill("SIGTERM");

  const archived = await story.wal("archive", "--all");
  assert.equal(archived.code, 0, archived.stderr);
  assert.match(archived.stdout, /job not completed, which wal replay still can/);
  assert.deepEqual((await story.completions()).job, ["archived", "due"]);
  queue.refuseCompletion = () => undefined;
  assert.equal((await story.wal("replay", "--all")).code, 0);
  assert.equal(queue.completed.length, 1);
  assert.equal((await readSummary(systemFiles, `${story.archiveDir}/job.wal.zst`))?.completion, "completed");
});

Deno.test("a server that sends fifty jobs for one slot gets all but one back at once", async () => {
  await using story = new Story();
  const { queue, sandbox } = story;
  const ran = `${sandbox.directory}/ran`;
  const go = `${sandbox.directory}/go`;
  const script = `echo x >> ${ran}; while [ ! -e ${go} ]; do sleep 0.05; done`;
  queue.waiting.push(...Array.from({ length: 50 }, (_, n) => ({ jobId: `job-${n}`, script })));
  const worker = story.startWorker("--concurrency=1");
  await worker.waitFor(/The server sent more jobs than there are slots.*slots=1 too_many=49 given_back=49/);
  const released = queue.updates.filter(({ visibilityTimeoutSeconds }) => visibilityTimeoutSeconds === 1);
  assert.deepEqual(
    released.map(({ taskToken }) => taskToken).sort(),
    Array.from({ length: 49 }, (_, n) => tokenOf(`job-${n + 1}`)).sort(),
  );
  Deno.writeTextFileSync(go, "");
  await worker.waitFor(/Log archived.*job-0/);
  assert.equal(Deno.readTextFileSync(ran), "x\n");
  assert.equal(worker.stderr.match(/The server sent more jobs/g)?.length, 1);
  assert.deepEqual(queue.completed.map(({ taskToken }) => taskToken), [tokenOf("job-0")]);
});
