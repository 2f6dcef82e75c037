/**
 * What the server acknowledges is on stable storage: the system calls of the compiled binary, with faults in
 * them.
 */
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Program, Sandbox } from "./support/airunner.ts";
import { collect, connect, outputEvent, publishRequests } from "./support/server_client.ts";
import { Strace } from "./support/strace.ts";
import { within } from "./support/within.ts";

const EVERY_SYNC = ["-e", "trace=fdatasync,fsync"];

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof ConnectError, `Expected an error, got ${error}`);
  return Code[error.code];
}

async function withJob(
  body: (
    server: { program: Program; url: string; restart(): Promise<string> },
    token: string,
  ) => Promise<void>,
): Promise<void> {
  await using sandbox = new Sandbox();
  const { program, url } = await sandbox.startServer();
  await using client = connect(url);
  await client.jobs.enqueueJob({ jobParams: { command: "true" } });
  const [{ taskToken }] = await collect(client.jobs.dequeueJob({}));
  const restart = async () => {
    await program.kill("SIGKILL");
    return (await sandbox.startServer()).url;
  };
  await body({ program, url, restart }, taskToken);
}

Deno.test("events whose sync fails are not acknowledged, and neither is anything after them", async () => {
  await withJob(async ({ program, url, restart }, taskToken) => {
    const publish = async (at: string, ...sequences: number[]) => {
      await using client = connect(at);
      const events = sequences.map((sequence) => outputEvent(sequence));
      return await client.events.publishJobEvents(publishRequests(taskToken, [events]));
    };
    await publish(url, 1);
    {
      const fault = [...EVERY_SYNC, "-e", "inject=fdatasync,fsync:error=EIO"];
      await using _fault = await Strace.attach(program.pid, fault);
      assert.equal(await codeOf(publish(url, 2)), "Unavailable");
    }
    // The disk is well again, but what it has lost meanwhile nobody knows.
    assert.equal(await codeOf(publish(url, 3)), "Unavailable");
    assert.match(program.stderr, /Cannot sync the journal of .*server\.db: .*start the server again/);
    const again = await publish(await restart(), 1, 2, 3);
    assert.equal(again.eventsStored + again.eventsDuplicate, 3n);
  });
});

Deno.test("an answer waits for its sync", async () => {
  await withJob(async ({ program, url }, taskToken) => {
    await using client = connect(url);
    const publish = (sequence: number) =>
      client.events.publishJobEvents(publishRequests(taskToken, [[outputEvent(sequence)]]));
    let isAnswered = false;
    let published: ReturnType<typeof publish>;
    {
      // Every sync takes until strace lets go of the program, or two minutes.
      const delay = [...EVERY_SYNC, "-e", "inject=fdatasync,fsync:delay_enter=120000000"];
      await using _fault = await Strace.attach(program.pid, delay);
      published = publish(1);
      published.then(() => isAnswered = true, () => {});
      // Meanwhile the server goes on with what needs no sync.
      for (let call = 0; call < 20; call++) await client.jobs.listJobs({});
      assert.equal(isAnswered, false);
    }
    assert.equal((await within(published, () => "the event is stored")).eventsStored, 1n);
  });
});
