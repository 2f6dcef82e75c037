/**
 * Whose calls a server takes: the directory of authorized keys as it was a few seconds ago at most, by
 * fingerprint, and who wants to hear when a key changes or goes.
 */
import type { Clock } from "../platform/clock.ts";
import { messageOf } from "../platform/error_text.ts";
import type { Files } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { type AuthorizedDirectory, readAuthorizedDirectory } from "../keys/authorized_directory.ts";
import type { Role } from "../keys/roles.ts";

/**
 * How old what is known may be: with the time that reading takes, a key that was added, changed or removed
 * counts within 5 s, without a restart.
 */
const LISTING_MS_MAX = 4_000;

export interface AuthorizedKey {
  readonly name: string;
  readonly key: CryptoKey;
  readonly roles: ReadonlySet<Role>;
}

type Watcher = (key: AuthorizedKey | undefined) => void;

export class AuthorizedKeys {
  readonly #files: Files;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watchers = new Map<Watcher, string>();
  readonly #closed = new AbortController();
  #keys: ReadonlyMap<string, AuthorizedKey> = new Map();
  #unlimited: readonly string[] = [];
  #listedAtMs = -Infinity;
  #watching: Promise<void> | undefined;
  /** What was said of bad files, so that it is said once. */
  #told: ReadonlySet<string> = new Set();

  private constructor(files: Files, directory: string, clock: Clock, logger: Logger) {
    this.#files = files;
    this.#directory = directory;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * @throws Error when the folder cannot be read or one of its keys is none: then nobody knows who may call.
   */
  static async load(
    files: Files,
    directory: string,
    clock: Clock,
    logger: Logger,
  ): Promise<AuthorizedKeys> {
    const keys = new AuthorizedKeys(files, directory, clock, logger);
    const [bad] = (await keys.#list()).unusable;
    if (bad !== undefined) throw new Error(`${bad.path} cannot be used: ${bad.reason}`);
    return keys;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The names of keys whose files do not say what they may do. */
  get unlimited(): readonly string[] {
    return this.#unlimited;
  }

  /** The key with that fingerprint, if its file is in the folder now. */
  async find(fingerprint: string): Promise<AuthorizedKey | undefined> {
    if (this.#clock.elapsedMs() - this.#listedAtMs > LISTING_MS_MAX) await this.#relist();
    return this.#keys.get(fingerprint);
  }

  /**
   * Calls `changed` with what the key is at each look, undefined when it is gone. Until the returned function
   * is called.
   */
  watch(fingerprint: string, changed: Watcher): () => void {
    this.#watchers.set(changed, fingerprint);
    // A server that nobody has an open call to stays asleep.
    this.#watching ??= this.#watch();
    return () => this.#watchers.delete(changed);
  }

  close(): void {
    this.#closed.abort();
  }

  async #watch(): Promise<void> {
    while (this.#watchers.size > 0 && !this.#closed.signal.aborted) {
      const ageMs = this.#clock.elapsedMs() - this.#listedAtMs;
      if (ageMs >= LISTING_MS_MAX) await this.#relist();
      else await this.#clock.sleep(LISTING_MS_MAX - ageMs, this.#closed.signal);
    }
    this.#watching = undefined;
  }

  /** A folder that cannot be read leaves the keys as they were; a bad file costs its own key alone. */
  async #relist(): Promise<void> {
    try {
      const { unusable } = await this.#list();
      const told = new Set(unusable.map(({ path, reason }) => `${path}\n${reason}`));
      for (const { path, reason } of unusable) {
        if (this.#told.has(`${path}\n${reason}`)) continue;
        this.#logger.warn("A file among the authorized keys is not a key; it was left out", {
          path,
          error: reason,
        });
      }
      this.#told = told;
    } catch (error) {
      this.#logger.error("Cannot read the authorized keys; those known so far stay valid", {
        path: this.#directory,
        error: messageOf(error),
      });
    }
    for (const [changed, fingerprint] of [...this.#watchers]) changed(this.#keys.get(fingerprint));
  }

  async #list(): Promise<AuthorizedDirectory> {
    this.#listedAtMs = this.#clock.elapsedMs();
    const directory = await readAuthorizedDirectory(this.#files, this.#directory);
    const keys = new Map<string, AuthorizedKey>();
    for (const { name, fingerprint, key, roles } of directory.keys) {
      // One key in two files may do what either says, as if it were two keys.
      const other = keys.get(fingerprint);
      keys.set(fingerprint, {
        name: other?.name ?? name,
        key,
        roles: new Set([...other?.roles ?? [], ...roles]),
      });
    }
    this.#keys = keys;
    this.#unlimited = directory.keys.filter(({ saysRoles }) => !saysRoles).map(({ name }) => name);
    return directory;
  }
}
