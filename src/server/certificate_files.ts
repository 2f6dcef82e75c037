/**
 * The certificate that a server speaks TLS with, as its files have it: read at the start, and again when they
 * change. A pair that cannot be used is said, and the one of before stays in force.
 */
import type { Clock } from "../platform/clock.ts";
import { messageOf } from "../platform/error_text.ts";
import { type Files, isMissing, readUpTo } from "../platform/files.ts";
import type { Logger } from "../platform/logging/logger.ts";
import { DAY_MS } from "../platform/time_units.ts";
import { type CertificatePair, readCertificatePem } from "../platform/tls/certificate.ts";

export interface CertificatePaths {
  readonly certFile: string;
  readonly keyFile: string;
}

/** How often the files are looked at: whoever renews them need not tell us. */
const LOOK_MS = 5_000;
/** A chain of certificates has a hundredth of this. */
const FILE_BYTES_MAX = 1024 * 1024;
/** Who renews certificates by a program does so earlier. */
const WARN_BEFORE_MS = 14 * DAY_MS;

/** The files cannot be used. The message completes "Cannot speak TLS: ". */
class CertificateFilesError extends Error {
  override name = "CertificateFilesError";
}

export interface CertificateWatch {
  readonly files: Files;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly paths: CertificatePaths;
  /** Takes a new pair into use. @throws {TypeError} for one that cannot be */
  renew(pair: CertificatePair): void;
}

/** @throws {CertificateFilesError} */
export async function readCertificateFiles(files: Files, paths: CertificatePaths): Promise<CertificatePair> {
  return { cert: await readPem(files, paths.certFile), key: await readPem(files, paths.keyFile) };
}

async function readPem(files: Files, path: string): Promise<string> {
  try {
    using file = await files.openForReading(path);
    const bytes = await readUpTo(file, FILE_BYTES_MAX + 1);
    if (bytes.length > FILE_BYTES_MAX) throw new TypeError(`it has more than ${FILE_BYTES_MAX} bytes`);
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    const why = isMissing(cause) ? "no such file" : messageOf(cause);
    throw new CertificateFilesError(`${path} cannot be read: ${why}`, { cause });
  }
}

/** Follows the files until it is stopped. */
export class CertificateFiles {
  readonly #watch: CertificateWatch;
  readonly #stopped = new AbortController();
  #current: CertificatePair;
  #seen: string;
  /** Which pair was refused, so that it is said once. */
  #refused: string | undefined;
  #warnedAtMs = -Infinity;
  #looking: Promise<void> = Promise.resolve();

  /** `current`: what is in force, as it was read; `seen`: how the files looked before that. */
  private constructor(watch: CertificateWatch, current: CertificatePair, seen: string) {
    this.#watch = watch;
    this.#current = current;
    this.#seen = seen;
  }

  static async follow(watch: CertificateWatch, current: CertificatePair): Promise<CertificateFiles> {
    const followed = new CertificateFiles(watch, current, await look(watch));
    followed.#warnOfItsEnd();
    void followed.#run();
    return followed;
  }

  /** Looks at the files now, whatever they look like. */
  reload(): Promise<void> {
    return this.#looking = this.#looking.then(() => this.#take());
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #run(): Promise<void> {
    const { clock } = this.#watch;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      const seen = await look(this.#watch);
      if (seen !== this.#seen) {
        this.#seen = seen;
        await this.reload();
      }
      this.#warnOfItsEnd();
    }
  }

  async #take(): Promise<void> {
    const { files, paths, logger, renew } = this.#watch;
    let pair: CertificatePair | undefined;
    try {
      pair = await readCertificateFiles(files, paths);
      if (pair.cert === this.#current.cert && pair.key === this.#current.key) return;
      const { names, notAfterMs } = checkedForNow(pair, this.#watch.clock.nowMs());
      renew(pair);
      this.#current = pair;
      this.#warnedAtMs = -Infinity;
      this.#refused = undefined;
      logger.info("Speaking TLS with a renewed certificate; open connections go on", {
        names: names.join(", "),
        until: new Date(notAfterMs).toISOString(),
      });
    } catch (error) {
      // One of the two files may have been written and the other not yet; then the next look finds both.
      const refused = `${pair?.cert}\n${pair?.key}\n${messageOf(error)}`;
      if (refused === this.#refused) return;
      this.#refused = refused;
      logger.error("Cannot use the new certificate; the one of before stays in force", {
        cert: paths.certFile,
        key: paths.keyFile,
        error: messageOf(error),
      });
    }
  }

  /** Once a day. */
  #warnOfItsEnd(): void {
    const { clock, logger, paths } = this.#watch;
    const { notAfterMs } = readCertificatePem(this.#current.cert);
    const leftMs = notAfterMs - clock.nowMs();
    if (leftMs > WARN_BEFORE_MS || clock.elapsedMs() - this.#warnedAtMs < DAY_MS) return;
    this.#warnedAtMs = clock.elapsedMs();
    logger.warn(
      leftMs > 0
        ? "The certificate ends soon. Next: write a renewed one to the same files"
        : "The certificate has ended, and clients refuse it. Next: write a renewed one to the same files",
      { cert: paths.certFile, until: new Date(notAfterMs).toISOString() },
    );
  }
}

/** @throws {TypeError} for a certificate that no client would believe, in place of one that they do */
function checkedForNow(pair: CertificatePair, nowMs: number) {
  const certificate = readCertificatePem(pair.cert);
  if (certificate.notAfterMs <= nowMs) throw new TypeError("it has ended already");
  return certificate;
}

/** What tells that a file was written, replaced, or that a link leads elsewhere. */
async function look({ files, paths }: CertificateWatch): Promise<string> {
  const parts = [paths.certFile, paths.keyFile].map(async (path) => {
    try {
      const { mtime, size, ino, dev } = await files.stat(path);
      return `${dev} ${ino} ${size} ${mtime?.getTime()}`;
    } catch (error) {
      return messageOf(error);
    }
  });
  return (await Promise.all(parts)).join("\n");
}
