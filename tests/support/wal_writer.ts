/**
 * A process that writes a log and says what was answered, to be killed, traced or locked out by a test.
 *
 *     wal_writer.ts DIRECTORY COUNT
 *
 * Opens `crash.wal` in the directory, or makes it, and prints `open PID`. Then it appends COUNT events, eight
 * outstanding, and prints `durable SEQUENCE` as soon as an append has resolved, or `sealed SEQUENCE` when it
 * was refused for good. At last it waits for its standard input to end.
 */
import { Log, LogSealedError } from "../../src/wal/log.ts";
import { systemHost } from "../../src/platform/system_host.ts";

const OUTSTANDING = 8;
const [directory, count] = Deno.args;

function say(line: string): void {
  // One write, so that a kill never leaves half a line that means something else.
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

const execution = {
  job_id: "crash",
  execution: 1,
  queue: "default",
  server: "",
  worker: "test",
  version: "0.1.0",
  started_at_ms: 0,
};
const path = `${directory}/crash.wal`;
const exists = await Deno.stat(path).then(() => true, () => false);
const log = exists
  ? await Log.open(path, systemHost)
  : await Log.create(directory, ["crash.wal"], execution, systemHost);
say(`open ${Deno.pid}`);

let next = log.lastSequence;
const last = next + BigInt(count);
await Promise.all(Array.from({ length: OUTSTANDING }, async () => {
  while (next < last) {
    const sequence = ++next;
    // The size says the sequence as well, so that a reader can tell a record that was put in the wrong place.
    const payload = new TextEncoder().encode(`event ${sequence} `.padEnd(Number(sequence % 97n) * 50, "x"));
    try {
      await log.append({ sequence, timestampMs: Date.now(), payload });
      say(`durable ${sequence}`);
    } catch (error) {
      if (!(error instanceof LogSealedError)) throw error;
      say(`sealed ${sequence}`);
    }
  }
}));
await new Response(Deno.stdin.readable).arrayBuffer();
await log.close();
