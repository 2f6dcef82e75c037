import assert from "node:assert/strict";
import { toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { type JobEvent } from "../../events/event.ts";
import { JobEventSchema } from "../../events/gen/job/v1/job_pb.ts";
import { Crc64 } from "../../platform/checksum/crc64.ts";
import { createLogger } from "../../platform/logging/text_logger.ts";
import { assertRefused } from "../../../tests/support/refusals.ts";
import { TestServer } from "../../../tests/support/running_server.ts";
import { outputEvent, publishRequests } from "../../../tests/support/server_client.ts";

/** As airunner.proto says. */
function checksumOf(events: readonly JobEvent[]): bigint {
  const crc = new Crc64();
  for (const event of events) {
    const bytes = toBinary(JobEventSchema, event);
    const head = new DataView(new ArrayBuffer(12));
    head.setBigInt64(0, event.sequence, true);
    head.setUint32(8, bytes.length, true);
    crc.update(new Uint8Array(head.buffer));
    crc.update(bytes);
  }
  return crc.digest();
}

Deno.test("events that arrived as they were sent are equal, and others are not, in binary and in JSON", async () => {
  const lines: string[] = [];
  await using server = await TestServer.start({ logger: createLogger("warn", (line) => lines.push(line)) });
  for (const json of [false, true]) {
    const { workers } = server.client({ json });
    const jobId = await server.enqueue();
    const { taskToken } = await server.claim();
    const events = [1, 2, 5, 6, 7].map((sequence) => outputEvent(sequence, 100 * sequence));
    // In whatever order they come.
    await server.events.publishJobEvents(publishRequests(taskToken, [events.slice(2), events.slice(0, 2)]));
    const compare = async (from: number, to: number, own: readonly JobEvent[]) =>
      await workers.compareEvents({
        taskToken,
        fromSequence: BigInt(from),
        toSequence: BigInt(to),
        eventCount: BigInt(own.length),
        checksum: checksumOf(own),
      });
    const whole = await compare(1, 7, events);
    assert.deepEqual([whole.isEqual, whole.eventCount, whole.checksum], [true, 5n, checksumOf(events)]);
    assert.equal((await compare(2, 6, events.slice(1, 4))).isEqual, true, "Both ends belong to the range");
    assert.equal((await compare(3, 4, [])).isEqual, true, "There is nothing in between");
    assert.deepEqual(lines.splice(0), []);

    const changed = [...events.slice(0, 4), outputEvent(7, 701)];
    const table: [string, JobEvent[]][] = [
      ["one more", [...events, outputEvent(8)]],
      ["one less", events.slice(1)],
      ["others of the same number", changed],
      ["another order", events.toReversed()],
    ];
    for (const [what, own] of table) {
      const answer = await compare(1, 7, own);
      assert.deepEqual(
        [answer.isEqual, answer.eventCount, answer.checksum],
        [false, 5n, whole.checksum],
        what,
      );
    }
    lines.splice(1);
    await compare(1, 7, []);
    assert.equal(lines.length, 1, "Who has no events only asks");
    const range = { taskToken, fromSequence: 1n, toSequence: 7n, checksum: whole.checksum };
    assert.equal((await workers.compareEvents({ ...range, eventCount: 4n })).isEqual, false);
    assert.match(
      lines.splice(0)[0]!,
      new RegExp(`Events are not those that their worker has.* job_id=${jobId}`),
    );
  }
});

Deno.test("a comparison works as long as the execution is there, and says so when it is not", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const range = { taskToken, fromSequence: 1n, toSequence: 9n, eventCount: 0n, checksum: checksumOf([]) };
  await server.jobs.completeJob({ taskToken, jobResult: { jobId, success: true } });
  assert.equal((await server.workers.compareEvents(range)).isEqual, true);
  await server.control.deleteJob({ jobId });
  await assertRefused(
    server.workers.compareEvents(range),
    Code.InvalidArgument,
    /This server has no execution 1 of job/,
    "EXECUTION_UNKNOWN",
  );
  await assertRefused(
    server.workers.compareEvents({ ...range, taskToken: "nonsense" }),
    Code.InvalidArgument,
    /The task token is unknown/,
    "TASK_TOKEN_UNKNOWN",
  );
  for (const [fromSequence, toSequence] of [[0n, 1n], [5n, 4n], [-1n, 1n]]) {
    await assertRefused(
      server.workers.compareEvents({ ...range, fromSequence, toSequence }),
      Code.InvalidArgument,
      /from_sequence is -?\d and to_sequence \d; sequences start at 1/,
      "REQUEST_INVALID",
    );
  }
});

Deno.test("other calls are answered while a large job is compared", async () => {
  await using server = await TestServer.start();
  const { taskToken } = (await server.enqueue(), await server.claim());
  for (let batch = 0; batch < 8; batch++) {
    const events = Array.from({ length: 4 }, (_, index) => outputEvent(4 * batch + index + 1, 1_000_000));
    await server.events.publishJobEvents(publishRequests(taskToken, [events]));
  }
  let isDone = false;
  const comparison = server.workers
    .compareEvents({ taskToken, fromSequence: 1n, toSequence: 100n, eventCount: 0n, checksum: 0n })
    .finally(() => isDone = true);
  let answers = 0;
  while (!isDone) {
    await server.control.listQueues({});
    answers++;
  }
  assert.equal((await comparison).eventCount, 32n);
  assert.ok(answers > 1, "Nobody was answered in between");
});
