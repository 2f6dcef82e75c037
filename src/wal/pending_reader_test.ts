import assert from "node:assert/strict";
import fc from "fast-check";
import { ALL, createLog, newDisk } from "../../tests/support/wal_fixture.ts";
import { KEPT_BYTES_MAX } from "./group_memory.ts";
import type { PendingEvent } from "./log.ts";

/** Bytes that tell which event they are of, wherever one looks. */
function payloadOf(sequence: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = sequence * 31 + index;
  return bytes;
}

const step = fc.oneof(
  fc.record({ append: fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 1, maxLength: 4 }) }),
  fc.record({ send: fc.integer({ min: 1, max: 6 }), bytes: fc.integer({ min: 1, max: 1 << 20 }) }),
  fc.record({ giveUp: fc.constant(true) }),
);

Deno.test("what is given out is what was appended, in order, whether it comes from memory or from the disk", async () => {
  let fromDisk = 0;
  let fromMemory = 0;
  const run = async (steps: (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) => {
    const files = newDisk();
    const log = await createLog(files);
    let isRead = false;
    files.faults.read = () => void (isRead = true);
    const lengths: number[] = [];
    let next = 1;
    const check = (events: readonly PendingEvent[]) => {
      for (const [index, { sequence, payload }] of events.entries()) {
        assert.equal(Number(sequence), next + index);
        assert.ok(equal(payload, payloadOf(next + index, lengths[next + index - 1])), `event ${sequence}`);
      }
    };
    for (const what of steps) {
      if ("append" in what) {
        await Promise.all(what.append.map((length) => {
          const sequence = lengths.push(length);
          const payload = payloadOf(sequence, length);
          return log.append({ sequence: BigInt(sequence), timestampMs: 1, payload });
        }));
        continue;
      }
      isRead = false;
      const limit = "send" in what ? { events: what.send, bytes: what.bytes } : { events: 1, bytes: 1 };
      const events = await log.pending(limit);
      assert.equal(events.length === 0, next > lengths.length);
      check(events);
      if (events.length === 0) continue;
      if (isRead) fromDisk++;
      else fromMemory++;
      if ("send" in what) await log.acknowledge(events);
      else await log.fail(events[0], { code: "no", message: "", attempts: 1 });
      next += events.length;
    }
    check(await log.pending(ALL));
    await log.close();
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), run), { numRuns: 15 });
  // Far more than is kept, and nothing of it sent before all is there.
  const lengths = Array.from({ length: Math.ceil(2 * KEPT_BYTES_MAX / 250_000) }, () => 250_000);
  await run([{ append: lengths }, ...lengths.map(() => ({ send: 1, bytes: 1 }))]);
  assert.ok(fromDisk > 0 && fromMemory > 0, `${fromDisk}, ${fromMemory}`);
});

function equal(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}
