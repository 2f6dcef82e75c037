/**
 * Why an archive cannot be made or read. Apart from what does it, which whoever asks for these does not have
 * to load.
 */
import { reason } from "../wal/errors.ts";

/** The archive is damaged from `offset` on. What came before that was right, and has been yielded. */
export class ArchiveDamagedError extends Error {
  override readonly name = "ArchiveDamagedError";
  constructor(
    readonly path: string,
    readonly offset: number,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(
      `Archive is damaged: ${path} at byte ${offset}: ${reason}. What comes before it was read; ` +
        "nothing was changed. Restore the file from a backup if there is one",
      options,
    );
  }
}

/** The archive may well be right, but needs something that we do not do. */
export class ArchiveUnsupportedError extends Error {
  override readonly name = "ArchiveUnsupportedError";
  constructor(readonly path: string, readonly offset: number, readonly reason: string) {
    super(
      `Cannot read archive: ${path} at byte ${offset}: ${reason}. The file is left as it is. ` +
        "Decompress it with the zstd program first, and read the result",
    );
  }
}

/** Archiving failed. The log stays until its archive is on stable storage, so nothing is lost. */
export class ArchiveError extends Error {
  override readonly name = "ArchiveError";
  constructor(readonly path: string, readonly noSpace: boolean, options: ErrorOptions) {
    super(
      `Cannot archive ${path}: ${
        reason(options.cause)
      }. Nothing is lost: the log is kept until its archive is on ` +
        `stable storage.${noSpace ? "" : " It is safe to try again"}`,
      options,
    );
  }
}
