/**
 * Job ids: UUIDs of version 7 (RFC 9562), which sort by the time they were made.
 */
import type { RandomBytes } from "../platform/random.ts";

const COUNTER_MAX = 0xfff;

/**
 * Returns a function that makes ids, each greater than the one before it, also within one millisecond
 * and when the wall clock steps back: the 12 bits after the time are a counter (RFC 9562, section 6.2,
 * method 1), and a full counter borrows the next millisecond.
 */
export function createUuid7(nowMs: () => number, randomBytes: RandomBytes): () => string {
  let lastMs = 0;
  let counter = 0;
  return () => {
    const now = nowMs();
    const random = randomBytes(10);
    if (now > lastMs) {
      lastMs = now;
      // The upper half stays free, so that a burst has room before it must borrow time.
      counter = ((random[8]! << 8) | random[9]!) & (COUNTER_MAX >> 1);
    } else if (counter < COUNTER_MAX) {
      counter++;
    } else {
      lastMs++;
      counter = 0;
    }
    return formatUuid7(lastMs, counter, random);
  };
}

function formatUuid7(timeMs: number, counter: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(timeMs / 2 ** 32));
  view.setUint32(2, timeMs % 2 ** 32);
  view.setUint16(6, 0x7000 | counter);
  bytes.set(random.subarray(0, 8), 8);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return uuidFromBytes(bytes);
}

export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The id's 16 bytes, or undefined when the text is not a UUID in its usual, lower-case form. */
export function uuidToBytes(uuid: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined;
  const hex = uuid.replaceAll("-", "");
  return Uint8Array.from(
    { length: 16 },
    (_, index) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16),
  );
}
