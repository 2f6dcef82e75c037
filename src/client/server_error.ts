/**
 * What a failed call means to whoever made it.
 */

/**
 * `unreachable`: the same call can work later. `not_offered`: the server does not know the call, which no
 * other server has to. The others need somebody to do something first.
 */
export type ServerErrorKind = "authentication" | "unreachable" | "refused" | "not_offered";

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
