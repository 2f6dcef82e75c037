/**
 * Directories of many files, looked at again and again: which files there are, and what was found out about each, for as
 * long as it is the same file with the same contents.
 */

export interface ListedFile {
  name: string;
  path: string;
  dev: number;
  ino: number;
  bytes: number;
  mtimeMs: number;
}

/** So many files are looked at before others get a turn: about a millisecond. */
const FILES_PER_TURN = 256;

/** The regular files of a directory, hidden ones included, in no order. */
export async function listFiles(directory: string): Promise<ListedFile[]> {
  const names: string[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) if (isFile) names.push(name);
  const files: ListedFile[] = [];
  for (const [index, name] of names.entries()) {
    if (index % FILES_PER_TURN === FILES_PER_TURN - 1) await nextTurn();
    const path = `${directory}/${name}`;
    // At once, because a thread for each file would take five times as long.
    const info = lookAt(path);
    if (info?.isFile !== true) continue;
    const { dev, ino, size, mtime } = info;
    files.push({ name, path, dev, ino: ino ?? 0, bytes: size, mtimeMs: mtime?.getTime() ?? 0 });
  }
  return files;
}

function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    // Removed since the directory was read.
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

interface Known<Facts> {
  bytes: number;
  mtimeMs: number;
  facts: Facts;
}

/** What was found out about files, by inode: a name may lead to another file tomorrow. */
export class FileFacts<Facts> {
  #known = new Map<string, Known<Facts>>();
  #seen = new Map<string, Known<Facts>>();

  /** What is known of the file as it is now, or else what `find` finds out. */
  async of(file: ListedFile, find: (file: ListedFile) => Promise<Facts>): Promise<Facts> {
    const key = `${file.dev}:${file.ino}`;
    const { bytes, mtimeMs } = file;
    let known = this.#known.get(key);
    if (known?.bytes !== bytes || known.mtimeMs !== mtimeMs) {
      known = { bytes, mtimeMs, facts: await find(file) };
      this.#known.set(key, known);
    }
    this.#seen.set(key, known);
    return known.facts;
  }

  /** Forgets files that nobody asked for since this was last called. */
  forgetUnseen(): void {
    this.#known = this.#seen;
    this.#seen = new Map();
  }
}
