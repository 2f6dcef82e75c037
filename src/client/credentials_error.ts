/**
 * Why somebody's credentials cannot be used. Apart from what reads them, which whoever tells of it does not
 * have to load.
 */

/** The credentials cannot be used. `path` is the file to look at; the message says what to do about it. */
export class CredentialsError extends Error {
  override readonly name = "CredentialsError";
  constructor(message: string, readonly path: string, options?: ErrorOptions) {
    super(message, options);
  }
}
