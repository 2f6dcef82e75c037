import assert from "node:assert/strict";
import fc from "fast-check";
import { Log, type OpenOptions } from "./log.ts";
import { logNames } from "./file_names.ts";
import { readLogFile, scanLog } from "./reader.ts";
import { systemFiles } from "../platform/system_files.ts";
import { systemHost } from "../platform/system_host.ts";

const EXECUTION = {
  job_id: "job",
  execution: 1,
  queue: "q",
  server: "http://127.0.0.1:1",
  worker: "w",
  version: "1",
  started_at_ms: 1,
};
type Status = "pending" | "sent" | "failed";

/** A log of events 1, 2, … that have these statuses. */
async function withLog(statuses: readonly Status[], body: (path: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    const log = await Log.create(directory, logNames("job"), EXECUTION, systemHost);
    for (let n = 1; n <= statuses.length; n++) {
      await log.append({ sequence: BigInt(n), timestampMs: n, payload: new Uint8Array(10).fill(n) });
    }
    // Nothing can be settled behind a pending event but by giving up, so sent ones come first here.
    for (const status of statuses) {
      const [event] = await log.pending({ events: 1, bytes: 1 });
      if (status === "sent") await log.acknowledge([event]);
      else if (status === "failed") await log.fail(event, { code: "c", message: "m", attempts: 1 });
      else break;
    }
    await log.close();
    await body(`${directory}/job.wal`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function statusesOf(path: string): Promise<string[]> {
  const { ledger, damage } = await scanLog(readLogFile(systemFiles, path), () => {});
  assert.equal(damage, undefined);
  return Array.from({ length: ledger.events }, (_, i) => ledger.statusAt(i));
}

async function sendAll(
  path: string,
  options: Pick<OpenOptions, "isWanted">,
  batchEvents: number,
): Promise<number[]> {
  const log = await Log.open(path, { ...systemHost, ...options });
  const sent: number[] = [];
  try {
    for (;;) {
      const events = await log.pending({ events: batchEvents, bytes: 1000 });
      if (events.length === 0) return sent;
      sent.push(...events.map(({ sequence }) => Number(sequence)));
      await log.acknowledge(events);
    }
  } finally {
    await log.close();
  }
}

Deno.test("events that were given up can be sent again, and count as sent then, each by its own acknowledgement", async () => {
  await withLog(["sent", "failed", "failed", "sent", "failed", "pending", "pending"], async (path) => {
    const sent = await sendAll(path, { isWanted: (status) => status !== "sent" }, 256);
    assert.deepEqual(sent, [2, 3, 5, 6, 7]);
    assert.deepEqual(await statusesOf(path), Array(7).fill("sent"));
  });
});

Deno.test("what is pending and not wanted stays pending, and nothing behind it is recorded as sent", async () => {
  await withLog(["sent", "failed", "pending", "pending", "pending", "pending"], async (path) => {
    const isWanted = (status: Status, sequence: bigint) => status !== "sent" && sequence !== 4n;
    assert.deepEqual(await sendAll(path, { isWanted }, 256), [2, 3, 5, 6]);
    assert.deepEqual(await statusesOf(path), ["sent", "sent", "sent", "pending", "pending", "pending"]);
  });
});

Deno.test("events that are sent can be sent again, and stay sent", async () => {
  await withLog(["sent", "failed", "sent", "pending"], async (path) => {
    assert.deepEqual(await sendAll(path, { isWanted: () => true }, 2), [1, 2, 3, 4]);
    assert.deepEqual(await statusesOf(path), Array(4).fill("sent"));
  });
});

Deno.test("whatever is selected, no event counts as sent that was not, and a second run sends no more than is left", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom<Status>("sent", "failed"), { maxLength: 6 }),
      fc.nat(4),
      fc.uniqueArray(fc.integer({ min: 1, max: 10 })),
      fc.boolean(),
      fc.integer({ min: 1, max: 4 }),
      async (settled, pending, chosen, alsoFailed, batchEvents) => {
        const before: Status[] = [...settled, ...Array(pending).fill("pending")];
        await withLog(before, async (path) => {
          const isWanted = (status: Status, sequence: bigint) =>
            (status === "pending" || (alsoFailed && status === "failed")) &&
            chosen.includes(Number(sequence));
          const sent = await sendAll(path, { isWanted }, batchEvents);
          const expected = before.flatMap((status, i) => isWanted(status, BigInt(i + 1)) ? [i + 1] : []);
          assert.deepEqual(sent, expected);
          const after = await statusesOf(path);
          after.forEach((status, i) => {
            if (status === "sent") assert.ok(before[i] === "sent" || sent.includes(i + 1));
          });
          const again = await sendAll(path, { isWanted }, batchEvents);
          assert.ok(again.every((sequence) => after[sequence - 1] !== "sent"));
        });
      },
    ),
    { numRuns: 60 },
  );
});
