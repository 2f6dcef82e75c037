/**
 * The runtime's HTTP servers behind the front door: one for each connection that is open at a time, on a Unix
 * socket of its own.
 *
 * The runtime's server cannot be told whose connection a request came by, and ends when it cannot accept one.
 * With one server a connection, whatever is asked on it is known to be that connection's, in HTTP/1.1 and
 * HTTP/2 alike, without looking into its bytes, and no outsider reaches a server directly: the sockets lie in
 * a directory that only this user may enter.
 *
 * A server is used again for the next connection when its own has ended: making one takes half a millisecond
 * and 20 kB.
 */
import { dirname } from "node:path";
import { FileLock, FileLockedError } from "../file_lock.ts";
import { connectUnix, NoDescriptorsError, type Socket } from "./sockets.ts";

/** `completed` rejects when the response was cut short. */
export type BackendHandler = (request: Request, completed: Promise<void>) => Promise<Response>;

export interface Backend {
  readonly socket: Socket;
  /** To be called once, when the connection has ended and nothing of it is being answered any more. */
  release(): void;
}

interface Slot {
  readonly path: string;
  handler: BackendHandler;
  isDead: boolean;
}

const PREFIX = "airunner-http-";

export class Backends {
  /** Undefined: where the system has its temporary files. */
  readonly #parent: string | undefined;
  #directory: string | undefined;
  #lock: FileLock | undefined;
  /**
   * The one that has rested longest comes first, so that nothing of its last connection can still be on its
   * way.
   */
  readonly #free: Slot[] = [];
  readonly #ended = new AbortController();
  readonly #servers = new Set<Promise<void>>();
  #made = 0;

  constructor(parent?: string) {
    this.#parent = parent;
  }

  /**
   * Connects to a server of its own, whose requests `handler` answers.
   * @throws {NoDescriptorsError}
   */
  async connect(handler: BackendHandler): Promise<Backend> {
    for (;;) {
      const isFresh = this.#free.length === 0;
      const slot = this.#free.shift() ?? this.#open();
      if (slot.isDead) continue;
      slot.handler = handler;
      try {
        return { socket: await connectUnix(slot.path), release: () => this.#free.push(slot) };
      } catch (error) {
        if (error instanceof NoDescriptorsError) this.#free.unshift(slot);
        if (error instanceof NoDescriptorsError || isFresh) throw error;
        // Somebody who tidies up temporary files took the socket away: then a new one, elsewhere, has to do.
        if (dirname(slot.path) === this.#directory) this.#forget();
      }
    }
  }

  /** Ends every connection and removes the sockets. */
  async close(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#servers);
    this.#forget();
  }

  #open(): Slot {
    const slot: Slot = {
      path: `${this.#directory ??= this.#makeDirectory()}/${++this.#made}`,
      handler: () => Promise.reject(new Error("Nobody connected here")),
      isDead: false,
    };
    let server: Deno.HttpServer;
    try {
      server = Deno.serve(
        { path: slot.path, signal: this.#ended.signal, onListen() {} },
        (request, { completed }) => slot.handler(request, completed),
      );
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EMFILE") {
        throw new NoDescriptorsError(error.message, { cause: error });
      }
      throw error;
    }
    // It ends by itself when it cannot accept the door's connection; then that one ends too, and a new server
    // is made for the next.
    const ended = server.finished.catch(() => {}).then(() => {
      slot.isDead = true;
      this.#servers.delete(ended);
    });
    this.#servers.add(ended);
    return slot;
  }

  #makeDirectory(): string {
    const path = Deno.makeTempDirSync({ dir: this.#parent, prefix: PREFIX });
    removeStale(path);
    // Held for as long as the directory is used: whoever finds one that is not locked knows that its process
    // was killed.
    this.#lock = FileLock.acquireDirectory(path, "exclusive");
    return path;
  }

  #forget(): void {
    this.#lock?.release();
    this.#lock = undefined;
    if (this.#directory !== undefined) removeQuietly(this.#directory);
    this.#directory = undefined;
  }
}

/** How young a directory may be that is not locked because its process is just about to. */
const YOUNG_MS = 60_000;

/**
 * Removes what killed processes left behind beside `ownPath`. What is not ours, or cannot be removed, stays.
 */
function removeStale(ownPath: string): void {
  const parent = dirname(ownPath);
  const bornBefore = Date.now() - YOUNG_MS;
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(parent), ({ name }) => name);
  } catch {
    // A directory that may be entered but not listed: what lies there is found by whoever may.
    return;
  }
  for (const name of names) {
    const path = `${parent}/${name}`;
    if (!name.startsWith(PREFIX) || path === ownPath) continue;
    try {
      const { uid, mtime, isDirectory } = Deno.lstatSync(path);
      if (!isDirectory || uid !== Deno.uid() || (mtime?.getTime() ?? Infinity) > bornBefore) continue;
      removeUnlocked(path);
    } catch {
      // Somebody else removed this one in the meantime, or it is none of ours: the others are looked at
      // still.
    }
  }
}

function removeUnlocked(path: string): void {
  let lock: FileLock | undefined;
  try {
    lock = FileLock.acquireDirectory(path, "exclusive");
  } catch (error) {
    if (error instanceof FileLockedError) return;
    throw error;
  }
  if (lock === undefined) return;
  removeQuietly(path);
  lock.release();
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // Empty sockets in a temporary directory: whoever starts next tries again.
  }
}
