/**
 * What the HTTP layer tells a call about its answer's way to the client, and is told about the call: that its
 * client may be silent, and that it may not go on.
 */
import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * Resolves when the transport is done with the response: true when all of it was sent, false when the
 * connection broke first. Sent means handed to the kernel; more is not known before the client speaks again.
 */
export const responseSent: ContextKey<() => Promise<boolean>> = createContextKey<() => Promise<boolean>>(
  () => Promise.resolve(true),
  { description: "whether the response was sent in whole" },
);

/** To be called when a client that streams has shown that it may: from then on it may be silent for long. */
export const allowSilence: ContextKey<() => void> = createContextKey<() => void>(() => {}, {
  description: "the client of a stream may be silent from now on",
});

/** Ends the call with this reason, a ConnectError, as its signal's. */
export const endCall: ContextKey<(reason: Error) => void> = createContextKey<(reason: Error) => void>(
  () => {},
  {
    description: "ends the call",
  },
);
