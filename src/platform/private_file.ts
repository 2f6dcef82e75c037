/**
 * Files that only their owner may read.
 */

/** The first bytes of a file, fewer when it is shorter; undefined when there is none. */
export function readHead(path: string, bytes: number): Uint8Array | undefined {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    const head = new Uint8Array(bytes);
    let length = 0;
    for (let count; length < bytes && (count = file.readSync(head.subarray(length))) !== null;) {
      length += count;
    }
    return head.subarray(0, length);
  } finally {
    file.close();
  }
}

/**
 * Makes a file, and its directory, for their owner alone; what exists is left as it is. Fails when it cannot
 * be written.
 */
export function createPrivateFile(directory: string, path: string): void {
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
}

/** Takes a file away from everybody but its owner. */
export function makePrivate(path: string): void {
  Deno.chmodSync(path, 0o600);
}

/** A secret of one line: a token, a password. */
export async function readSecretFile(path: string): Promise<string> {
  return (await Deno.readTextFile(path)).trim();
}
