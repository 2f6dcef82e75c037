/**
 * A log's bytes, whether they lie in a log or in an archive: everything that reads logs starts here.
 */
import { openRegularFile } from "../platform/regular_file.ts";
import type { Files } from "../platform/files.ts";
import { type LogBytes, readLogFile } from "../wal/reader.ts";
import { decompressStream } from "./decompress.ts";
import { startsLikeZstd } from "./frames.ts";

/**
 * The bytes of the log at `path`. What kind of file it is, its first four bytes say, not its name. Chunks are
 * valid until the next is asked for.
 * @throws {NotFound} and the like, before anything is read
 */
export async function readLogBytes(files: Files, path: string): Promise<LogBytes> {
  const isArchive = startsLikeZstd(await readFirstBytes(files, path, 4));
  const bytes = readLogFile(files, path);
  return isArchive ? decompressStream(bytes, path) : bytes;
}

/** The same for bytes that come from somewhere else, such as standard input. */
export async function readLogStream(source: AsyncIterable<Uint8Array>, name = "-"): Promise<LogBytes> {
  const iterator = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < 4) {
    const next = await iterator.next();
    if (next.done) break;
    first.push(next.value.slice());
    length += next.value.length;
  }
  const head = new Uint8Array(length);
  let at = 0;
  for (const chunk of first) {
    head.set(chunk, at);
    at += chunk.length;
  }
  const whole = prepend(head, iterator);
  return startsLikeZstd(head) ? decompressStream(whole, name) : whole;
}

async function* prepend(head: Uint8Array, iterator: AsyncIterator<Uint8Array>): LogBytes {
  try {
    if (head.length > 0) yield head;
    for (let next; !(next = await iterator.next()).done;) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

async function readFirstBytes(files: Files, path: string, count: number): Promise<Uint8Array> {
  using file = await openRegularFile(files, path);
  const bytes = new Uint8Array(count);
  let filled = 0;
  for (let read; filled < count && (read = await file.read(bytes.subarray(filled))) > 0;) filled += read;
  return bytes.subarray(0, filled);
}
