import assert from "node:assert/strict";
import { ManualClock } from "../../tests/support/manual_clock.ts";
import { MemoryLog, type Params, sh, startJob, text } from "../../tests/support/started_job.ts";
import { outputOf, StreamType } from "../events/event.ts";
import { ProcessType } from "../events/gen/job/v1/job_pb.ts";
import { createLogger } from "../platform/logging/text_logger.ts";
import { LogSealedError, LogWriteError } from "../wal/errors.ts";

Deno.test("a job's events tell its start, its output and its end, with sequences that leave no gap", async () => {
  const { log, result } = startJob(sh("printf out; printf err >&2; sleep 0.02; printf more; exit 3"));
  const { kind, ...rest } = await result;
  assert.equal(kind, "ended");
  assert.ok("end" in rest && rest.end.exitCode === 3);
  assert.deepEqual(kindsOnce(log), ["processStart", "outputBatch", "processEnd"]);
  assert.equal(text(log.output(StreamType.STDOUT)), "outmore");
  assert.equal(text(log.output(StreamType.STDERR)), "err");
  assert.equal(log.exitCode, 3);
  let next = 1n;
  for (const { sequence, eventData } of log.events) {
    assert.equal(sequence, next);
    next = eventData.case === "outputBatch" ? eventData.value.endSequence + 1n : next + 1n;
  }
});

/** The kinds in their order; output is one, in however many batches it was flushed. */
function kindsOnce(log: MemoryLog): string[] {
  return log.kinds.filter((kind, index) => kind !== log.kinds[index - 1]) as string[];
}

Deno.test("fifty megabytes on both streams arrive byte for byte", async () => {
  const make =
    "awk 'BEGIN { srand(SEED); for (i = 0; i < 400000; i++) printf \"%d %s\\n\", i, rand() * 1e9 }'";
  const script = (seed: number, times: number) =>
    `for n in ${"x ".repeat(times)}; do ${make.replace("SEED", `${seed}`)}; done`;
  const { log, result } = startJob(sh(`(${script(1, 4)}) & (${script(2, 4)}) >&2; wait`));
  await result;
  for (const [stream, seed] of [[StreamType.STDOUT, 1], [StreamType.STDERR, 2]] as const) {
    const expected = await new Deno.Command("sh", { args: ["-c", script(seed, 4)] }).output();
    const output = log.output(stream);
    assert.ok(output.length > 20_000_000);
    assert.deepEqual(await digest(output), await digest(expected.stdout));
  }
});

async function digest(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

Deno.test("the first output is in the log without any time passing, and what follows a tenth of a second later", async () => {
  const clock = new ManualClock();
  const script = "trap 'echo again' USR1; echo hello; while :; do sleep 0.01; done";
  const { log, result, stop } = startJob(sh(script), { clock });
  await log.hasOutput(/^hello\n$/);
  const { eventData } = await log.has("processStart");
  assert.ok(eventData.case === "processStart");
  Deno.kill(eventData.value.pid, "SIGUSR1");
  await clock.sleeping(100);
  assert.equal(text(log.output(StreamType.STDOUT)), "hello\n");
  clock.advance(100);
  await log.hasOutput(/^hello\nagain\n$/);
  stop.abort();
  await result;
});

Deno.test("a heartbeat is written each interval while the process runs, and none after it", async () => {
  const clock = new ManualClock();
  const { log, result, stop } = startJob(sh("exec sleep 1000"), { clock });
  await clock.pass(30_000);
  const beat = await log.has("heartbeat");
  assert.ok(beat.eventData.case === "heartbeat" && beat.eventData.value.processAlive);
  assert.equal(beat.eventData.value.elapsedTime?.seconds, 30n);
  await clock.pass(30_000);
  stop.abort();
  await result;
  assert.equal(log.kinds.filter((kind) => kind === "heartbeat").length, 2);
});

Deno.test("a job that takes too long is ended with its whole group, and says so", async () => {
  const clock = new ManualClock();
  const { log, result } = startJob(sh("sleep 1000 & sleep 1000 & echo $!; wait", { timeoutSeconds: 60 }), {
    clock,
  });
  const child = Number(text([...outputOf(await log.has("outputBatch"))][0].bytes));
  clock.advance(60_000);
  const { end } = await result as { end: { endedBy: string; errorMessage: string } };
  assert.equal(log.exitCode, 143);
  assert.deepEqual(log.errors, ["Timed out after 60 s"]);
  assert.equal(end.endedBy, "timeout");
  assert.ok(!isRunning(child));
});

/** A process that has ended and that nobody has asked for yet has no command line any more. */
function isRunning(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`) !== "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("a job that ignores SIGTERM is killed after its grace period", async () => {
  const clock = new ManualClock();
  const script = "trap '' TERM; echo ready; while :; do sleep 0.01; done";
  const { log, result } = startJob(sh(script, { timeoutSeconds: 60 }), { clock });
  await log.has("outputBatch");
  clock.advance(60_000);
  await clock.pass(10_000);
  await result;
  assert.equal(log.exitCode, 137);
  assert.deepEqual(log.kinds.slice(-2), ["processError", "processEnd"]);
});

Deno.test("a child in the background that holds the output is given a while, ended and mentioned", async () => {
  const clock = new ManualClock();
  const { log, result } = startJob(
    sh("trap 'echo main; exit 5' USR1; (echo early; kill -USR1 $$; exec sleep 1000) & wait"),
    { clock },
  );
  await clock.pass(5000);
  const { end } = await result as { end: { exitCode: number } };
  assert.equal(end.exitCode, 5);
  assert.match(log.errors.join(), /left in the background/);
  assert.equal(log.exitCode, 5);
  assert.deepEqual(text(log.output(StreamType.STDOUT)).split("\n").sort(), ["", "early", "main"]);
});

Deno.test("a process that has left the group and holds the output is read no longer, and nothing read is lost", async () => {
  const clock = new ManualClock();
  const { log, result } = startJob(
    sh("trap 'exit 0' USR1; setsid sh -c 'echo $$; kill -USR1 $0; exec sleep 1000' $$ & wait"),
    { clock },
  );
  await clock.pass(5000);
  await clock.pass(5000);
  await clock.pass(5000);
  // Both pipes are found to be empty.
  await clock.pass(250);
  await result;
  const escaped = Number(text(log.output(StreamType.STDOUT)));
  assert.ok(escaped > 0);
  Deno.kill(escaped, "SIGKILL");
  assert.match(log.errors.join(), /what it wrote later is not recorded/);
  assert.equal(log.exitCode, 0);
});

Deno.test("a job that this worker cannot run fails clearly instead of being run some other way", async () => {
  const cases: [Params, number, RegExp][] = [
    [{ command: "no-such-program" }, 127, /Command not found/],
    [sh("true", { container: { enabled: true, image: "alpine" } }), 126, /container/],
    [sh("true", { repository: "https://example.com/a.git", gitClone: { enabled: true } }), 126, /clone/],
    [sh("true", { processType: ProcessType.PTY }), 126, /PTY/],
    [sh("true", { workingDirectory: "/no/such" }), 126, /working directory/],
  ];
  for (const [params, exitCode, message] of cases) {
    const { log, result } = startJob(params);
    assert.equal((await result).kind, "ended");
    assert.deepEqual(log.kinds, ["processError", "processEnd"]);
    assert.match(log.errors[0], message);
    assert.equal(log.exitCode, exitCode);
  }
  const noted = startJob(
    sh("true", { repository: "https://example.com/a.git", processType: ProcessType.PIPE }),
  );
  await noted.result;
  assert.equal(noted.log.exitCode, 0);
});

Deno.test("a stopping worker lets a job end within the grace period", async () => {
  const clock = new ManualClock();
  const { log, result, drain } = startJob(
    sh("echo begun; read line < go; exit 4", { workingDirectory: fifoDirectory() }),
    {
      clock,
    },
  );
  await log.has("processStart");
  drain.abort();
  await clock.sleeping(20_000);
  Deno.writeTextFileSync(`${fifo}/go`, "\n");
  assert.equal((await result).kind, "ended");
  assert.equal(log.exitCode, 4);
  Deno.removeSync(fifo, { recursive: true });
});

let fifo = "";
function fifoDirectory(): string {
  fifo = Deno.makeTempDirSync();
  assert.ok(new Deno.Command("mkfifo", { args: [`${fifo}/go`] }).outputSync().success);
  return fifo;
}

Deno.test("a stopping worker interrupts a job after the grace period, and its log says so without an end", async () => {
  const clock = new ManualClock();
  const { log, result, drain } = startJob(
    sh("trap 'echo bye; exit 0' TERM; echo begun; while :; do sleep 0.01; done"),
    {
      clock,
    },
  );
  await log.has("outputBatch");
  drain.abort();
  await clock.pass(20_000);
  assert.deepEqual(await result, { kind: "interrupted" });
  assert.deepEqual(kindsOnce(log), ["processStart", "outputBatch", "processError"]);
  assert.match(log.errors[0], /^Interrupted/);
  assert.equal(text(log.output(StreamType.STDOUT)), "begun\nbye\n");
});

Deno.test("a worker that ends at once kills its jobs and says nothing more about them", async () => {
  const { log, result, stop } = startJob(sh("trap '' TERM; exec sleep 1000"));
  await log.has("processStart");
  stop.abort();
  assert.deepEqual(await result, { kind: "interrupted" });
  assert.deepEqual(log.kinds, ["processStart"]);
});

const full = () => new LogWriteError("memory.wal", true, { cause: new Error("no space left on device") });

Deno.test("a full disk pauses the job, says so, and costs not one byte", async () => {
  const log = new MemoryLog();
  const lines: string[] = [];
  const clock = new ManualClock();
  log.failures.push(full(), full(), full());
  const logger = createLogger("info", (line) => lines.push(line));
  const { result } = startJob(sh("seq 1 200000"), { log, clock, logger });
  // The process start is what does not fit; seq writes more than pipes and batches hold, so it waits as well.
  await clock.pass(250);
  await clock.pass(500);
  await clock.sleeping(1000);
  assert.deepEqual(log.events, []);
  clock.advance(1000);
  await result;
  assert.ok(lines.some((line) => line.startsWith("ERR") && /no space left on device/.test(line)));
  assert.ok(lines.some((line) => /stored again/.test(line)));
  const expected = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.equal(text(log.output(StreamType.STDOUT)), expected);
});

Deno.test("a job whose log takes no more is killed, and its writer's error is thrown", async () => {
  const log = new MemoryLog();
  const sealed = new LogSealedError("memory.wal", "its sync failed");
  const { result, writer } = startJob(sh("while :; do echo x; done"), { log });
  await log.has("outputBatch");
  log.failures.push(sealed);
  await assert.rejects(result, (error) => error === sealed);
  assert.ok(writer.broken.aborted);
  assert.equal(log.exitCode, undefined);
});

Deno.test("a job's pipe is not read while there is no room", async () => {
  const room = Promise.withResolvers<void>();
  const { log, result } = startJob(sh("head -c 1000000 /dev/zero; exit 6"), {
    waitForRoom: () => room.promise,
  });
  await log.has("processStart");
  assert.deepEqual(log.kinds, ["processStart"]);
  room.resolve();
  await result;
  assert.equal(log.output(StreamType.STDOUT).length, 1_000_000);
  assert.equal(log.exitCode, 6);
});

Deno.test("a job for which no directory can be made is not told as one that failed; one that names its own needs none", async () => {
  const makeWorkDirectory = () => Promise.reject(new Error("no space left on device"));
  const refused = startJob(sh("exit 0", { workingDirectory: "sources" }), { makeWorkDirectory });
  const result = await refused.result;
  assert.equal(result.kind, "not_started");
  assert.ok(result.kind === "not_started" && /directory: no space left/.test(result.error.message));
  assert.deepEqual(refused.log.kinds, []);
  const own = startJob(sh("pwd", { workingDirectory: "/" }), { makeWorkDirectory });
  await own.result;
  assert.equal(text(own.log.output(StreamType.STDOUT)), "/\n");
});
