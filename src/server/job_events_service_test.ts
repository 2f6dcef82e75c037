import assert from "node:assert/strict";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createEvent, EventType, type JobEvent } from "../events/event.ts";
import {
  JobEventSchema,
  PublishJobEventsRequestSchema,
  type StreamJobEventsRequestSchema,
} from "../events/gen/job/v1/job_pb.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { TestServer } from "../../tests/support/running_server.ts";
import { outputEvent, publishRequests, type ServerClient } from "../../tests/support/server_client.ts";
import { systemHost } from "../platform/system_host.ts";

function publish(client: Pick<ServerClient, "events">, taskToken: string, ...batches: JobEvent[][]) {
  return client.events.publishJobEvents(publishRequests(taskToken, batches));
}

async function read(client: Pick<ServerClient, "events">, jobId: string, count: number, fromSequence = 0n) {
  return await take(client, { jobId, fromSequence }, count);
}

async function take(
  client: Pick<ServerClient, "events">,
  request: MessageInitShape<typeof StreamJobEventsRequestSchema>,
  count: number,
): Promise<JobEvent[]> {
  const events: JobEvent[] = [];
  const enough = new AbortController();
  try {
    for await (const { event } of client.events.streamJobEvents(request, { signal: enough.signal })) {
      events.push(event!);
      // Leaving the loop alone would leave the response open.
      if (events.length === count) enough.abort();
    }
  } catch (error) {
    if (!enough.signal.aborted) throw error;
  }
  return events;
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof ConnectError, `Expected an error, got ${error}`);
  return `${Code[error.code]}: ${error.rawMessage}`;
}

Deno.test("events are stored, counted and read back byte by byte, in binary and in JSON", async () => {
  await using server = await TestServer.start();
  for (const json of [false, true]) {
    const client = server.client({ json });
    const jobId = await server.enqueue();
    const { taskToken } = await server.claim();
    const events = [
      outputEvent(1),
      outputEvent(2, 5_000),
      createEvent(3n, 5, { case: "processEnd", value: { exitCode: 1 } }),
    ];
    const response = await publish(client, taskToken, events.slice(0, 2), [], events.slice(1));
    assert.deepEqual([response.eventsStored, response.eventsDuplicate], [3n, 1n]);
    const stored = await read(client, jobId, 3);
    assert.deepEqual(
      stored.map((event) => toBinary(JobEventSchema, event)),
      events.map((event) => toBinary(JobEventSchema, event)),
    );
  }
});

Deno.test("fields that this server does not know are kept", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const event = outputEvent(1);
  event.$unknown = [{ no: 99, wireType: 0, data: new Uint8Array([42]) }];
  await publish(server, taskToken, [event]);
  const [stored] = await read(server, jobId, 1);
  assert.deepEqual(stored.$unknown, event.$unknown);
});

Deno.test("the same sequence with other bytes keeps the first event and is told to the operator", async () => {
  const lines: string[] = [];
  const clock = new ManualClock();
  await using server = await TestServer.start({
    host: { ...systemHost, clock },
    logger: createLogger("warn", (line) => lines.push(line)),
  });
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  await publish(server, taskToken, [outputEvent(1, 10)]);
  const again = await publish(server, taskToken, [outputEvent(1, 11), outputEvent(2)]);
  assert.deepEqual([again.eventsStored, again.eventsDuplicate], [1n, 1n]);
  const [first] = await read(server, jobId, 1);
  assert.deepEqual(first, outputEvent(1, 10));
  assert.deepEqual(lines, [
    `WRN Events arrived again with other bytes; the first ones were kept job_id=${jobId} execution=1 count=1 first_sequence=1`,
  ]);
});

Deno.test("late events go to the execution whose token they come with", async () => {
  const clock = new ManualClock();
  await using server = await TestServer.start({ host: { ...systemHost, clock } });
  const jobId = await server.enqueue();
  const first = await server.claim(10);
  const waiting = server.claim(10);
  await clock.pass(10_000);
  const second = await waiting;
  await publish(server, second.taskToken, [outputEvent(1, 20)]);
  await server.jobs.completeJob({ taskToken: second.taskToken, jobResult: { success: true } });
  const late = await publish(server, first.taskToken, [outputEvent(1, 10), outputEvent(2, 10)]);
  assert.equal(late.eventsStored, 2n);
  assert.equal((await publish(server, second.taskToken, [outputEvent(2, 20)])).eventsStored, 1n);
  // Readers see the latest execution only.
  assert.deepEqual(await read(server, jobId, 2), [outputEvent(1, 20), outputEvent(2, 20)]);
});

Deno.test("events that cannot be taken are refused by name, and those before them stay stored", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  assert.match(
    await codeOf(publish(server, taskToken, [outputEvent(0)])),
    /^InvalidArgument: events\[0\] has sequence 0/,
  );
  assert.match(
    await codeOf(
      publish(server, taskToken, [outputEvent(1)], [outputEvent(2), outputEvent(3, 4 * 1024 * 1024)]),
    ),
    /^InvalidArgument: The event with sequence 3 has 4194\d+ bytes; at most 4194304/,
  );
  const large = Array.from({ length: 5 }, (_, index) => outputEvent(10 + index, 3_900_000));
  assert.match(await codeOf(publish(server, taskToken, large)), /^ResourceExhausted: /);
  const wrongJob = server.events.publishJobEvents((async function* () {
    yield { taskToken, jobId: "another", source: "orphaned-wal-recovery", events: [outputEvent(9)] };
  })());
  assert.match(await codeOf(wrongJob), /^InvalidArgument: job_id is another, but the task token is for job/);
  const rightJob = await server.events.publishJobEvents((async function* () {
    yield { taskToken, jobId, source: "orphaned-wal-recovery", events: [outputEvent(2)] };
  })());
  assert.equal(rightJob.eventsStored, 1n);
  assert.deepEqual((await read(server, jobId, 2)).map((event) => event.sequence), [1n, 2n]);
});

Deno.test("an event that is no message is refused, so that readers never meet one", async () => {
  await using server = await TestServer.start();
  await server.enqueue();
  const { taskToken } = await server.claim();
  const head = toBinary(PublishJobEventsRequestSchema, create(PublishJobEventsRequestSchema, { taskToken }));
  // Field 2 with three bytes, of which the first announces a fixed64 that is not there.
  const message = new Uint8Array([...head, 0x12, 3, 0x09, 1, 2]);
  const envelope = new Uint8Array([0, 0, 0, 0, message.length, ...message]);
  const headers = { "Content-Type": "application/connect+proto" };
  const url = `${server.url}/job.v1.JobEventsService/PublishJobEvents`;
  const response = await fetch(url, { method: "POST", headers, body: envelope });
  const text = await response.text();
  assert.match(text, /"code":"invalid_argument","message":"events\[0\] is not a JobEvent"/);
});

Deno.test("every reader gets the history and then what comes", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  await publish(server, taskToken, [outputEvent(1), outputEvent(2)]);
  const readers = [
    read(server, jobId, 4),
    read(server, jobId, 3, 2n),
    read(server.client({ json: true }), jobId, 4),
  ];
  await publish(server, taskToken, [outputEvent(3)]);
  await publish(server, taskToken, [outputEvent(4)]);
  const sequences = (await Promise.all(readers)).map((events) =>
    events.map((event) => Number(event.sequence))
  );
  assert.deepEqual(sequences, [[1, 2, 3, 4], [2, 3, 4], [1, 2, 3, 4]]);
});

Deno.test("a reader chooses by time and type", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const end = createEvent(3n, 1_700_000_000_003, { case: "processEnd", value: { exitCode: 0 } });
  await publish(server, taskToken, [outputEvent(1), outputEvent(2), end]);
  const first = async (request: MessageInitShape<typeof StreamJobEventsRequestSchema>) =>
    (await take(server, request, 1))[0].sequence;
  assert.equal(await first({ jobId, eventFilter: [EventType.PROCESS_END] }), 3n);
  assert.equal(await first({ jobId, fromTimestamp: 1_700_000_000_002n }), 2n);
});

Deno.test("a job that does not exist has no events to read", async () => {
  await using server = await TestServer.start();
  assert.match(await codeOf(read(server, "nope", 1)), /^NotFound: There is no job nope/);
  assert.match(await codeOf(read(server, "", 1)), /^InvalidArgument: job_id is required/);
  const jobId = await server.enqueue();
  assert.match(await codeOf(read(server, jobId, 1, -1n)), /^InvalidArgument: from_sequence is -1/);
});

Deno.test("publishers and readers beside each other: nothing is missed and nothing comes twice", async () => {
  await using server = await TestServer.start();
  const jobId = await server.enqueue();
  const { taskToken } = await server.claim();
  const count = 2_000;
  const readers: Promise<JobEvent[]>[] = [];
  const publisher = async (remainder: number) => {
    for (let start = 1; start <= count; start += 40) {
      const batch: JobEvent[] = [];
      for (let sequence = start; sequence < start + 40; sequence++) {
        if (sequence % 2 === remainder) batch.push(outputEvent(sequence));
      }
      await publish(server, taskToken, batch);
      if (start % 400 === 1) readers.push(read(server, jobId, count));
    }
  };
  await Promise.all([publisher(0), publisher(1)]);
  for (const events of await Promise.all(readers)) {
    const sequences = events.map((event) => Number(event.sequence)).toSorted((a, b) => a - b);
    assert.deepEqual(sequences, Array.from({ length: count }, (_, index) => index + 1));
  }
});
