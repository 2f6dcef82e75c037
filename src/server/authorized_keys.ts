/**
 * The public keys whose owners may call: a folder of `NAME.pub` files (SPKI PEM, P-256), known by their
 * fingerprints, base58(SHA-256(SPKI DER)).
 */
import { join } from "node:path";
import type { Clock } from "../platform/clock.ts";
import { fingerprintOf } from "../platform/key_fingerprint.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Files } from "../platform/files.ts";

/** How old the folder's listing may be: a key added or removed counts within this time, without a restart. */
const LISTING_MS_MAX = 5_000;

/** A public key of a few hundred bytes; anything much larger in the folder is something else. */
const FILE_BYTES_MAX = 16 * 1024;

export class AuthorizedKeys {
  readonly #files: Files;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #keys = new Map<string, CryptoKey>();
  #listedAtMs = -Infinity;

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
    await keys.#list((path, error) => {
      throw new Error(`${path} is not a public key for ES256 (SPKI PEM, curve P-256): ${error.message}`);
    });
    return keys;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The key with that fingerprint, if its file is in the folder now. */
  async find(fingerprint: string): Promise<CryptoKey | undefined> {
    if (this.#clock.elapsedMs() - this.#listedAtMs > LISTING_MS_MAX) await this.#relist();
    return this.#keys.get(fingerprint);
  }

  /** A folder that cannot be read leaves the keys as they were; a bad file costs its own key alone. */
  async #relist(): Promise<void> {
    const skipped = (path: string, error: Error) =>
      this.#logger.warn("A file among the authorized keys is not a key; it was left out", {
        path,
        error: error.message,
      });
    try {
      await this.#list(skipped);
    } catch (error) {
      this.#logger.error("Cannot read the authorized keys; those known so far stay valid", {
        path: this.#directory,
        error: (error as Error).message,
      });
    }
  }

  async #list(onBadFile: (path: string, error: Error) => void): Promise<void> {
    this.#listedAtMs = this.#clock.elapsedMs();
    const keys = new Map<string, CryptoKey>();
    for (const entry of await this.#files.list(this.#directory)) {
      if (!entry.name.endsWith(".pub") || entry.isDirectory) continue;
      const path = join(this.#directory, entry.name);
      try {
        const { fingerprint, key } = await readPublicKey(this.#files, path);
        keys.set(fingerprint, key);
      } catch (error) {
        onBadFile(path, error as Error);
      }
    }
    this.#keys = keys;
  }
}

async function readPublicKey(files: Files, path: string): Promise<{ fingerprint: string; key: CryptoKey }> {
  const { size } = await files.stat(path);
  if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes`);
  const der = decodePem(await files.readText(path));
  const key = await crypto.subtle.importKey("spki", der, { name: "ECDSA", namedCurve: "P-256" }, false, [
    "verify",
  ]);
  return { fingerprint: await fingerprintOf(der), key };
}

function decodePem(text: string): Uint8Array<ArrayBuffer> {
  const body = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(text)?.[1];
  if (body === undefined) throw new Error("it has no PUBLIC KEY block");
  return Uint8Array.from(atob(body.replace(/\s/g, "")), (character) => character.charCodeAt(0));
}
