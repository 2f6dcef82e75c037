/**
 * What a failed call means to whoever made it.
 */

/** `unreachable`: the same call can work later. The others need somebody to do something first. */
export type ServerErrorKind = "authentication" | "unreachable" | "refused";

/** A call failed. */
export class ServerError extends Error {
  override name = "ServerError";
  constructor(message: string, readonly kind: ServerErrorKind, options?: ErrorOptions) {
    super(message, options);
  }

  /** Whether the same call can work later. */
  get mayPass(): boolean {
    return this.kind === "unreachable";
  }
}
