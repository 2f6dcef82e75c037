/**
 * What the HTTP layer tells a call about its answer's way to the client.
 */
import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * Resolves when the transport is done with the response: true when all of it was sent, false when the
 * connection broke first. Sent means handed to the kernel; more is not known before the client speaks again.
 */
export const responseSent: ContextKey<Promise<boolean>> = createContextKey<Promise<boolean>>(
  Promise.resolve(true),
  { description: "whether the response was sent in whole" },
);
