/**
 * The pipeline of one job under bad conditions: failing and full disks, servers that refuse.
 */
import { systemNetwork } from "../platform/system_network.ts";
import assert from "node:assert/strict";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { SmallDisk } from "../../tests/support/small_disk.ts";
import { errorsOf, outputText, WorkerFixture } from "../../tests/support/worker_fixture.ts";
import { readLogBytes } from "../archive/log_bytes.ts";
import { decodeEvent, outputOf } from "../events/event.ts";
import {
  type CompleteJobRequest,
  JobEventsService,
  JobService,
  type PublishJobEventsRequest,
} from "../events/gen/job/v1/job_pb.ts";
import type { Files } from "../platform/files.ts";
import { systemFiles } from "../platform/system_files.ts";
import { scanLog } from "../wal/reader.ts";
import { createServerTransport } from "../client/transport.ts";
import { systemClock } from "../platform/system_clock.ts";
import { diskWithSync } from "../../tests/support/slow_sync.ts";

/** A disk whose syncs fail from the `goodSyncs`-th data sync on. */
function failingDisk(goodSyncs: number): Files {
  return diskWithSync((sync, syncsBefore) =>
    syncsBefore < goodSyncs ? sync() : Promise.reject(new Error("input/output error (os error 5)"))
  );
}

const refuseNone = (_: PublishJobEventsRequest): boolean => false;

/** A server in memory with one job, whose answers a test can choose. */
function memoryServer(
  args: string[],
  { refuse = refuseNone, ready = Promise.resolve() }: { refuse?: typeof refuseNone; ready?: Promise<void> } =
    {},
) {
  const stored = new Map<bigint, Uint8Array>();
  const completed: CompleteJobRequest[] = [];
  let isGiven = false;
  const transport = createRouterTransport(({ service }) => {
    service(JobService, {
      async *dequeueJob() {
        if (isGiven) return;
        isGiven = true;
        const jobParams = { command: "sh", args };
        await Promise.resolve();
        yield { job: { jobId: "job-1", jobParams }, taskToken: "token" };
      },
      updateJob: () => ({}),
      completeJob(request) {
        completed.push(request);
        return {};
      },
      listJobs: () => ({}),
    });
    service(JobEventsService, {
      async publishJobEvents(requests) {
        for await (const request of requests) {
          await ready;
          if (refuse(request)) throw new ConnectError("no", Code.InvalidArgument);
          for (const event of request.events) {
            const bytes = [...outputOf(event)].flatMap((piece) => [...piece.bytes]);
            stored.set(event.sequence, new Uint8Array(bytes));
          }
        }
        return {};
      },
    });
  });
  return { transport, stored, completed };
}

Deno.test("a job whose log fails to sync is ended, and what was durable is delivered all the same", async () => {
  await using fixture = new WorkerFixture();
  // Each line is a batch of its own, because the next comes later than the flush.
  const ready = Promise.withResolvers<void>();
  const server = memoryServer(["-c", "i=0; while :; do i=$((i + 1)); echo line $i; sleep 0.03; done"], {
    ready: ready.promise,
  });
  const worker = fixture.startWorker({
    transport: server.transport,
    files: failingDisk(5),
    settings: { limits: { ...LIMITS, flushAfterMs: 10 } },
  });
  await worker.waitFor(/its log takes no more events/);
  ready.resolve();
  await worker.waitFor(/The log stays where it is, for inspection/);
  worker.drain.abort();
  await worker.ended();

  assert.equal(server.completed.length, 1);
  const result = server.completed[0].jobResult!;
  assert.equal(result.success, false);
  assert.equal(result.exitCode, 125);
  assert.match(
    result.errorMessage,
    /could not store the job's output.*input\/output error.*after sequence 5 is lost/,
  );
  assert.deepEqual([...server.stored.keys()], [1n, 2n, 3n, 4n, 5n]);
  assert.deepEqual(fixture.files(fixture.walDir), ["job-1.wal"]);
  assert.deepEqual(fixture.files(fixture.archiveDir), []);
});

const LIMITS = {
  itemsMax: 50,
  bytesMax: 256 * 1024,
  itemBytesMax: 200 * 1024,
  flushAfterMs: 2000,
  coalesceMs: 5,
};

Deno.test("a job with an event that the server refuses for good is completed, and says so", async () => {
  await using fixture = new WorkerFixture();
  const poisoned = (request: PublishJobEventsRequest) =>
    request.events.some((event) => [...outputOf(event)].some((piece) => piece.bytes.includes(0x21)));
  const server = memoryServer(["-c", "echo one; sleep 0.1; echo '!'; sleep 0.1; echo three"], {
    refuse: poisoned,
  });
  const worker = fixture.startWorker({
    once: true,
    transport: server.transport,
    settings: { limits: { ...LIMITS, flushAfterMs: 10 }, sender: { attemptsMax: 2 } },
  });
  await worker.ended();
  const [{ jobResult }] = server.completed;
  assert.equal(jobResult!.success, true);
  assert.match(jobResult!.errorMessage, /^1 of the job's events could not be delivered/);
  const output = [...server.stored].sort(([a], [b]) => Number(a - b)).map(([, bytes]) =>
    new TextDecoder().decode(bytes)
  );
  assert.equal(output.join(""), "one\nthree\n");
  const { ledger } = await scanLog(
    await readLogBytes(systemFiles, `${fixture.archiveDir}/job-1.wal.zst`),
    () => {},
  );
  assert.deepEqual([ledger.failed, ledger.pending], [1, 0]);
});

Deno.test("a full disk pauses a job, and nothing of its output is missing once there is room", async () => {
  await using fixture = await WorkerFixture.start();
  await using disk = await SmallDisk.mount("6m");
  const ballast = `${disk.path}/ballast`;
  Deno.writeFileSync(ballast, new Uint8Array(4 << 20));
  const jobId = await fixture.submitScript("seq 1 400000; exit 9");
  const worker = fixture.startWorker({
    walDir: `${disk.path}/wal`,
    archiveDir: `${disk.path}/archive`,
    // The disk itself says no here, not the budget.
    settings: { freeBytesMin: 0 },
  });
  await worker.waitFor(/no space left on device/i);
  Deno.removeSync(ballast);
  await worker.waitFor(/Job completed/);
  const expected = Array.from({ length: 400_000 }, (_, index) => `${index + 1}\n`).join("");
  const events = await fixture.events(jobId);
  assert.ok(outputText(events) === expected);
  assert.deepEqual(errorsOf(events), []);
  await worker.end();
});

Deno.test("a job that meets too little space waits for it, and ends when there is some", async () => {
  await using fixture = await WorkerFixture.start();
  await using disk = await SmallDisk.mount("64m");
  const ballast = `${disk.path}/ballast`;
  // A twentieth of the disk is kept free, far more than the batches that are under way when the rest is full.
  Deno.writeFileSync(ballast, new Uint8Array(59 << 20));
  const jobId = await fixture.submitScript("head -c 3000000 /dev/zero; exit 9");
  const worker = fixture.startWorker({ walDir: `${disk.path}/wal`, archiveDir: `${disk.path}/archive` });
  await worker.waitFor(/Jobs are paused: no space left on device/);
  Deno.removeSync(ballast);
  await worker.waitFor(/Job completed/);
  assert.equal(outputText(await fixture.events(jobId)).length, 3_000_000);
  await worker.end();
});

Deno.test("a worker that is stopped while the disk is full ends, and keeps what is stored", async () => {
  await using fixture = await WorkerFixture.start();
  await using disk = await SmallDisk.mount("2m");
  await fixture.submitScript("head -c 9000000 /dev/zero");
  const worker = fixture.startWorker({
    walDir: `${disk.path}/wal`,
    archiveDir: `${disk.path}/archive`,
    settings: { freeBytesMin: 0, shutdownGraceMs: 20 },
  });
  await worker.waitFor(/no space left on device/i);
  worker.drain.abort();
  assert.equal((await worker.ended()).jobsLeft, 1);
  const [name] = fixture.files(`${disk.path}/wal`);
  const { damage, ledger } = await scanLog(
    await readLogBytes(systemFiles, `${disk.path}/wal/${name}`),
    (record, kind) => {
      if (kind === "event") assert.ok(decodeEvent(record.payload));
    },
  );
  assert.equal(damage, undefined);
  assert.ok(ledger.events > 1);
});

Deno.test("a job is slowed down while the server does not take its output", async () => {
  await using fixture = await WorkerFixture.start();
  const jobId = await fixture.submitScript("head -c 8000000 /dev/zero");
  const slow = createServerTransport({ network: systemNetwork, server: fixture.url, clock: systemClock });
  const answered = Promise.withResolvers<void>();
  const stream: typeof slow.stream = async (...call) => {
    if (call[0].name === "PublishJobEvents") await answered.promise;
    return await slow.stream(...call);
  };
  const worker = fixture.startWorker({
    transport: { ...slow, stream },
    settings: { unsentBytesMax: 1_000_000, sender: { attemptsMax: 10, batchBytesMax: 100_000 } },
  });
  await worker.waitFor(/Jobs are paused: \d+ bytes wait for the server/);
  const { size } = Deno.statSync(`${fixture.walDir}/${jobId}.wal`);
  assert.ok(size < 2_500_000, `${size} bytes were read in spite of the budget`);
  answered.resolve();
  await worker.waitFor(/Job completed/);
  assert.equal(outputText(await fixture.events(jobId)).length, 8_000_000);
  await worker.end();
  slow.close();
});
