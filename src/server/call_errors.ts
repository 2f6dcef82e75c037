/**
 * Turns whatever a call threw into the error its client sees: the one place where the server's own errors
 * become Connect codes.
 */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "../platform/logging/logger.ts";
import { StoreError } from "./store/store_error.ts";

/** Logs what the operator must know and tells the client no more than it can use: no paths, no stacks. */
export function errorInterceptor(logger: Logger): Interceptor {
  return (next) => async (request) => {
    const convert = (error: unknown) => toConnectError(error, request.method.name, logger);
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: convertThrown(response.message, convert) } : response;
    } catch (error) {
      throw convert(error);
    }
  };
}

async function* convertThrown<T>(messages: AsyncIterable<T>, convert: (error: unknown) => ConnectError) {
  try {
    yield* messages;
  } catch (error) {
    throw convert(error);
  }
}

function toConnectError(error: unknown, method: string, logger: Logger): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof StoreError) {
    logger.error("A call failed because of the database", { method, error: error.message });
    const message =
      "The server cannot use its database at the moment. Nothing of this request was acknowledged; try again";
    return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
  }
  logger.error("A call failed because of a bug", {
    method,
    error: error instanceof Error ? error.stack ?? error.message : String(error),
  });
  return new ConnectError(
    "The server failed on this request; its log says why",
    Code.Internal,
    undefined,
    undefined,
    error,
  );
}
