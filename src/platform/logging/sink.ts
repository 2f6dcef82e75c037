/**
 * Lines to a stream that may be a terminal, a pipe or a file: each is written before the call returns, and
 * none of the ways in which that can fail ends the program.
 */

/** How long a reader may keep us waiting on a stream that does not wait by itself. */
const WAIT_MS_MAX = 1000;

/** `write` is a synchronous write(2): it returns how many bytes were taken, or throws. */
export function createWriteSink(write: (bytes: Uint8Array) => number): (line: string) => void {
  // Whether the last line was left without its end, so that the next one does not become a part of it.
  let isTorn = false;
  return (line) => {
    const bytes = new TextEncoder().encode((isTorn ? "\n" : "") + line + "\n");
    const written = writeAll(write, bytes);
    if (written > 0) isTorn = written < bytes.length;
  };
}

/** Returns how many bytes were taken: all of them, unless nobody takes more. */
function writeAll(write: (bytes: Uint8Array) => number, bytes: Uint8Array): number {
  let written = 0;
  for (let waitedMs = 0; written < bytes.length;) {
    try {
      const count = write(bytes.subarray(written));
      if (count <= 0) return written;
      written += count;
    } catch (error) {
      if (error instanceof Deno.errors.Interrupted) continue;
      // The pipe was made non-blocking by somebody who shares it, and its reader is behind.
      if (error instanceof Deno.errors.WouldBlock && waitedMs < WAIT_MS_MAX) {
        sleepSync(1);
        waitedMs++;
        continue;
      }
      // Closed by its reader, or a file on a full disk. Where nobody reads, there is nobody to tell either,
      // and what the program is there for goes on.
      return written;
    }
  }
  return written;
}

function sleepSync(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}
