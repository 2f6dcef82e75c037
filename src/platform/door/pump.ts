/**
 * Carries bytes from one socket to another, one way.
 */
import type { Socket } from "./sockets.ts";

/** What an idle connection holds; a request without a body fits. */
const SMALL_BYTES = 4 * 1024;
/** More at a time is not faster: it is what the kernel hands over at once. */
const LARGE_BYTES = 64 * 1024;

export interface Pump {
  /** Resolves at the end of what comes; rejects with a PumpError. */
  readonly finished: Promise<void>;
  /** Since when bytes have been waiting for the other side to take them; undefined while none do. */
  readonly writingSinceMs: number | undefined;
  /** How many bytes have come so far. */
  readonly bytes: number;
  /** Resolves when no bytes are waiting for the other side to take them, or when that side broke. */
  written(): Promise<void>;
}

/** A side that broke, or was closed. */
export class PumpError extends Error {
  override name = "PumpError";
  constructor(readonly side: "from" | "to", options: ErrorOptions) {
    super(side === "from" ? "Cannot read" : "Cannot write", options);
  }
}

export interface PumpOptions {
  from: Pick<Socket, "read">;
  to: Pick<Socket, "write">;
  elapsedMs(): number;
  /** Called before the bytes go on. */
  onBytes?(count: number): void;
}

export function startPump(options: PumpOptions): Pump {
  const { from, to, elapsedMs, onBytes } = options;
  let writingSinceMs: number | undefined;
  let bytes = 0;
  let written = () => {};
  let whenWritten = Promise.resolve();
  const run = async () => {
    let buffer = new Uint8Array(SMALL_BYTES);
    for (;;) {
      const count = await from.read(buffer).catch(failed("from"));
      if (count === null) return;
      onBytes?.(count);
      bytes += count;
      whenWritten = new Promise((resolve) => written = resolve);
      for (let offset = 0; offset < count;) {
        writingSinceMs = elapsedMs();
        offset += await to.write(buffer.subarray(offset, count)).catch(failed("to"));
      }
      writingSinceMs = undefined;
      written();
      buffer = nextBuffer(buffer, count);
    }
  };
  return {
    finished: run().finally(() => written()),
    get writingSinceMs() {
      return writingSinceMs;
    },
    get bytes() {
      return bytes;
    },
    written: () => whenWritten,
  };
}

/**
 * Grows when it was filled and shrinks when little came, so that thousands of quiet connections cost little.
 */
function nextBuffer(buffer: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  if (count === buffer.length && count < LARGE_BYTES) return new Uint8Array(LARGE_BYTES);
  if (count < SMALL_BYTES / 2 && buffer.length > SMALL_BYTES) return new Uint8Array(SMALL_BYTES);
  return buffer;
}

function failed(side: PumpError["side"]): (cause: unknown) => never {
  return (cause) => {
    throw new PumpError(side, { cause });
  };
}
