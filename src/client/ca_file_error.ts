/**
 * Why certificates that a client was told to trust cannot be used. Apart from what reads them, which whoever
 * tells of it does not have to load.
 */

/** The message says which file, why, and what to do about it. */
export class CaFileError extends Error {
  override readonly name = "CaFileError";
}
