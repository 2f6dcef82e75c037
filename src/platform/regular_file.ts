/**
 * Opens what a user named as a file, if it is one. A pipe or a device has no end, or waits for somebody at
 * the other; where such a thing is meant, as standard input is, it is read by other means.
 */
import type { FileInfo, Files, ReadableFile } from "./files.ts";

/** There is something of this name, but no regular file. Nothing was read of it. */
export class NotRegularFileError extends Error {
  override readonly name = "NotRegularFileError";
  constructor(readonly path: string, readonly what: string) {
    super(`it is ${what}, and no regular file`);
  }
}

/**
 * @throws {NotRegularFileError} for a directory, a pipe, a socket or a device
 * @throws {NotFound} and the like
 */
export async function openRegularFile(files: Files, path: string): Promise<ReadableFile> {
  // Before it is opened: opening a pipe would wait for somebody who writes.
  await checkRegularFile(files, path);
  const file = await files.openForReading(path);
  try {
    refuseOthers(path, await file.stat());
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** As `openRegularFile` does, without opening it. */
export async function checkRegularFile(files: Files, path: string): Promise<void> {
  refuseOthers(path, await files.stat(path));
}

function refuseOthers(path: string, info: FileInfo): void {
  if (info.isFile) return;
  const what = info.isDirectory
    ? "a directory"
    : info.isFifo
    ? "a pipe"
    : info.isSocket
    ? "a socket"
    : "a device";
  throw new NotRegularFileError(path, what);
}
