/**
 * What a store throws when its database cannot do what was asked, whichever database it is.
 */

/**
 * Something is wrong with the database; the message is for the operator, and `cause` is the database's own
 * error. Nothing of what was asked was done.
 */
export class StoreError extends Error {
  override name = "StoreError";
  /** `place`: the database's file, or its address. */
  constructor(message: string, readonly place: string, options?: ErrorOptions) {
    super(message, options);
  }
}
