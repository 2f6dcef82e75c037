/**
 * What was found out about each log, kept from one run to the next, so that ten thousand logs are listed in under a second. It is
 * only ever a shortcut: a cache that is damaged, foreign or cannot be written is as good as none, and deleting it loses nothing.
 *
 * A file is known by device, inode, size and time of change: logs only grow, and a name may lead to another file tomorrow.
 */
import type { ListedFile } from "./directory.ts";
import { VERSION } from "../platform/version.ts";

interface Entry<Facts> {
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly facts: Facts;
}

/** Kernels stamp changes every few milliseconds: a file that was changed just before it was read may change again under the same stamp. */
const SETTLED_MS = 50;

export class FactsCache<Facts extends object> {
  readonly #path: string;
  readonly #known: Map<string, Entry<Facts>>;
  readonly #seen = new Map<string, Entry<Facts>>();
  #isChanged = false;

  private constructor(path: string, known: Map<string, Entry<Facts>>) {
    this.#path = path;
    this.#known = known;
  }

  static async open<Facts extends object>(path: string): Promise<FactsCache<Facts>> {
    return new FactsCache(path, await readEntries(path));
  }

  /** What is known of the file as it is now; undefined when it has to be read. */
  get(file: ListedFile): Facts | undefined {
    const key = keyOf(file);
    const entry = this.#known.get(key);
    if (entry === undefined || entry.bytes !== file.bytes || entry.mtimeMs !== file.mtimeMs) return undefined;
    this.#seen.set(key, entry);
    return entry.facts;
  }

  /** `file` as it was listed, before it was read: one that has grown since is read again next time. */
  set(file: ListedFile, facts: Facts, nowMs: number): void {
    if (nowMs - file.mtimeMs < SETTLED_MS) return;
    this.#seen.set(keyOf(file), { bytes: file.bytes, mtimeMs: file.mtimeMs, facts });
    this.#isChanged = true;
  }

  /** Keeps what was asked for since `open`, and forgets the rest: those files are gone. */
  async save(): Promise<void> {
    if (!this.#isChanged && this.#seen.size === this.#known.size) return;
    const text = JSON.stringify({ version: VERSION, files: Object.fromEntries(this.#seen) });
    const directory = this.#path.slice(0, this.#path.lastIndexOf("/"));
    const temporaryPath = `${this.#path}.tmp-${crypto.randomUUID()}`;
    try {
      // Not recursively: whoever only looks at logs does not make a data directory.
      await Deno.mkdir(directory, { mode: 0o700 }).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
      await Deno.writeTextFile(temporaryPath, text, { mode: 0o600, createNew: true });
      await Deno.rename(temporaryPath, this.#path);
    } catch {
      // A full or read-only disk, or somebody else's directory: the next run reads the logs again, and that is all.
      await Deno.remove(temporaryPath).catch(() => {});
    }
  }
}

function keyOf({ dev, ino }: ListedFile): string {
  return `${dev}:${ino}`;
}

async function readEntries<Facts>(path: string): Promise<Map<string, Entry<Facts>>> {
  try {
    const { version, files } = JSON.parse(await Deno.readTextFile(path));
    // Another version may know other facts.
    if (version !== VERSION || typeof files !== "object" || files === null) return new Map();
    const entries = Object.entries(files as Record<string, unknown>);
    return new Map(entries.filter((entry): entry is [string, Entry<Facts>] => isEntry(entry[1])));
  } catch {
    // None yet, or damaged, or not for us to read: every log is read, which is what it would have saved.
    return new Map();
  }
}

function isEntry(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { bytes, mtimeMs, facts } = value as Record<string, unknown>;
  return typeof bytes === "number" && typeof mtimeMs === "number" && typeof facts === "object" &&
    facts !== null;
}
