/**
 * The log on real disks and beside real processes: killed, locked, traced, and out of room.
 */
import assert from "node:assert/strict";
import { Log, LogLockedError, LogWriteError } from "../src/wal/log.ts";
import { readLogFile, scanLog } from "../src/wal/reader.ts";
import { SmallDisk } from "./support/small_disk.ts";
import { systemFiles } from "../src/platform/system_files.ts";
import { systemHost } from "../src/platform/system_host.ts";

const WRITER = new URL("support/wal_writer.ts", import.meta.url).pathname;
const ALL = { events: 1_000_000, bytes: 1e9 };
const EXECUTION = {
  job_id: "crash",
  execution: 1,
  queue: "default",
  server: "",
  worker: "test",
  version: "0.1.0",
  started_at_ms: 0,
};

async function inDirectory(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await act(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function startWriter(directory: string, count: number, tracer: string[] = []) {
  const [program, ...args] = [...tracer, Deno.execPath(), "run", "-A", WRITER, directory, String(count)];
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  return { child, lines: child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineSplitter()) };
}

/** Whole lines only: what a killed process left of its last one is dropped. */
function lineSplitter(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(text, controller) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) controller.enqueue(line);
    },
  });
}

/** The sequences and texts of a log's events; the log must be whole up to a torn end. */
async function readEvents(path: string): Promise<Map<number, string>> {
  const events = new Map<number, string>();
  const { damage } = await scanLog(readLogFile(systemFiles, path), (record, kind) => {
    if (kind === "event") {
      events.set(Number(record.sequence), new TextDecoder().decode(record.payload).trimEnd());
    }
  });
  assert.ok(damage === undefined || damage.problem === "torn_record", damage?.problem);
  return events;
}

Deno.test("kill -9 at any moment loses no event whose append had resolved", async () => {
  await inDirectory(async (directory) => {
    const durable: number[] = [];
    for (let round = 0; round < 6; round++) {
      const { child, lines } = startWriter(directory, 1_000_000);
      let patience = Math.floor(Math.random() * 400);
      for await (const line of lines) {
        const [word, sequence] = line.split(" ");
        if (word === "durable") durable.push(Number(sequence));
        // Goes on reading: what it said before it died counts.
        if (patience-- === 0) child.kill("SIGKILL");
      }
      await child.status;
      await child.stdin.abort().catch(() => {});
      const events = await readEvents(`${directory}/crash.wal`);
      for (const sequence of durable) {
        assert.match(events.get(sequence) ?? "missing", new RegExp(`^event ${sequence}\\b`));
      }
    }
    assert.ok(durable.length > 0);
    assert.equal(new Set(durable).size, durable.length, "no sequence is given twice");
    const log = await Log.open(`${directory}/crash.wal`, systemHost);
    assert.ok(log.lastSequence >= BigInt(Math.max(...durable)));
    assert.equal((await log.pending(ALL)).length, log.counts.events);
    await log.close();
  });
});

Deno.test("log that another process writes is refused, with that process named, until it is gone", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/crash.wal`;
    const { child, lines } = startWriter(directory, 3);
    let seen = 0;
    for await (const line of lines) {
      if (line.startsWith("durable") && ++seen === 3) {
        await assert.rejects(Log.open(path, systemHost), (error: LogLockedError) => {
          assert.ok(error instanceof LogLockedError);
          assert.deepEqual([error.path, error.ownerPid], [path, child.pid]);
          assert.match(error.message, new RegExp(`process ${child.pid}`));
          return true;
        });
        assert.equal((await readEvents(path)).size, 3, "reading needs no lock");
        child.kill("SIGKILL");
      }
    }
    await child.status;
    await child.stdin.abort().catch(() => {});
    const log = await Log.open(path, systemHost);
    await assert.rejects(Log.open(path, systemHost), (error: LogLockedError) => error.ownerPid === Deno.pid);
    assert.equal(log.counts.pending, 3);
    await log.close();
  });
});

Deno.test("a job's process neither keeps the lock nor inherits the file", async () => {
  await inDirectory(async (directory) => {
    const log = await Log.create(directory, ["crash.wal"], EXECUTION, systemHost);
    const child = new Deno.Command("cat", { stdin: "piped", stdout: "piped" }).spawn();
    await log.close();
    await (await Log.open(log.path, systemHost)).close();
    // It runs its own program for certain once it has answered.
    const writer = child.stdin.getWriter();
    await writer.write(new Uint8Array([65]));
    const reader = child.stdout.getReader();
    assert.deepEqual((await reader.read()).value, new Uint8Array([65]));
    const files = [...Deno.readDirSync(`/proc/${child.pid}/fd`)].map(({ name }) =>
      Deno.readLinkSync(`/proc/${child.pid}/fd/${name}`)
    );
    assert.ok(!files.some((file) => file.startsWith(directory)), files.join(" "));
    await writer.close();
    await reader.cancel();
    await child.status;
  });
});

Deno.test("log and directory are their owner's alone", async () => {
  await inDirectory(async (directory) => {
    const log = await Log.create(`${directory}/a/wal`, ["crash.wal"], EXECUTION, systemHost);
    const mode = (path: string) => ((Deno.statSync(path).mode ?? 0) & 0o777).toString(8);
    assert.deepEqual([mode(log.path), mode(`${directory}/a/wal`), mode(`${directory}/a`)], [
      "600",
      "700",
      "700",
    ]);
    assert.deepEqual([...Deno.readDirSync(`${directory}/a/wal`)].map(({ name }) => name), ["crash.wal"]);
    await log.close();
  });
});

Deno.test("disk that is really full turns appends away, keeps what was durable, and takes them again", async () => {
  await using disk = await SmallDisk.mount("256k");
  const log = await Log.create(disk.path, ["crash.wal"], EXECUTION, systemHost);
  try {
    disk.fill(100_000);
    let failed: LogWriteError | undefined;
    const append = () =>
      log.append({ sequence: log.lastSequence + 1n, timestampMs: 0, payload: new Uint8Array(5000).fill(7) });
    while (failed === undefined) await append().catch((error) => failed = error);
    assert.ok(failed instanceof LogWriteError && failed.noSpace, String(failed));
    const before = log.lastSequence;
    assert.equal(Deno.statSync(log.path).size, log.counts.bytes);
    disk.clear();
    await append();
    await log.acknowledge(await log.pending({ events: 5, bytes: 1e6 }));
    assert.equal(log.lastSequence, before + 1n);
  } finally {
    await log.close();
  }
  const events = await readEvents(log.path);
  assert.deepEqual([...events.keys()], Array.from({ length: events.size }, (_, i) => i + 1));
  assert.equal(BigInt(events.size), log.lastSequence);
});

Deno.test("system calls show: an event is said to be durable only after it was written and synced", async () => {
  await inDirectory(async (directory) => {
    const trace = `${directory}/trace`;
    const tracer = ["strace", "-f", "-qq", "-s", "100000", "-e", "trace=write,fdatasync", "-o", trace];
    const { child, lines } = startWriter(directory, 20, tracer);
    await child.stdin.close();
    const said = [];
    for await (const line of lines) if (line.startsWith("durable")) said.push(Number(line.split(" ")[1]));
    assert.ok((await child.status).success);
    assert.deepEqual(said.sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i + 1));
    const calls = Deno.readTextFileSync(trace).split("\n");
    for (const sequence of said) {
      const written = calls.findIndex((call) => call.includes(`event ${sequence} `));
      const answered = calls.findIndex((call) => call.includes(`"durable ${sequence}\\n"`));
      const between = calls.slice(written + 1, answered);
      const started = between.findIndex((call) => call.includes("fdatasync("));
      const synced = between.findIndex((call, i) => i >= started && /fdatasync.*= 0$/.test(call));
      assert.ok(
        written >= 0 && started >= 0 && synced >= started,
        `event ${sequence}: ${[written, started, synced, answered]}`,
      );
    }
  });
});

Deno.test("disk that really fails to sync has nothing called durable", async () => {
  await inDirectory(async (directory) => {
    const log = await Log.create(directory, ["crash.wal"], EXECUTION, systemHost);
    await log.close();
    const tracer = [
      "strace",
      "-f",
      "-qq",
      "-e",
      "trace=fdatasync",
      "-e",
      "inject=fdatasync:error=EIO",
      "-o",
      "/dev/null",
    ];
    const { child, lines } = startWriter(directory, 30, tracer);
    await child.stdin.close();
    const words = new Map<string, number>();
    for await (const line of lines) {
      const [word] = line.split(" ");
      words.set(word, (words.get(word) ?? 0) + 1);
    }
    assert.ok((await child.status).success);
    assert.deepEqual([...words], [["open", 1], ["sealed", 30]]);
  });
});
