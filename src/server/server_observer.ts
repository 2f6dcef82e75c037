/**
 * What a server tells whoever counts, and what it can be asked: the seam between it and metrics.
 */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Expiry } from "../platform/door/deadlines.ts";
import type { Refusal } from "../platform/door/door.ts";
import { codeToString } from "@connectrpc/connect/protocol-connect";

/** Called synchronously; none of these may throw. */
export interface ServerObserver {
  /** A batch of a PublishJobEvents call is on stable storage. */
  stored?(durationMs: number, events: number, duplicates: number): void;
  /** A call has ended. `code` is Connect's name, or `ok`. */
  called?(method: string, code: string): void;
  /** A reader follows a job's events, and then no longer. */
  streamOpened?(): void;
  streamClosed?(): void;
  /** A CancelJob call had this outcome. */
  cancelled?(outcome: "cancelled" | "requested" | "ended"): void;
  /** A worker asked for its log's execution to be adopted. */
  adopted?(outcome: "new" | "repeated" | "refused"): void;
  /** A worker asked whether the events it has are stored. */
  compared?(isEqual: boolean): void;
  /** A connection, or a proxy's request, was turned away. */
  connectionRefused?(reason: Refusal): void;
  /** A client was too slow, or one that asked for nothing had to make room. */
  connectionClosed?(reason: Expiry | "room"): void;
}

/** What the server knows better than anybody who counts along. */
export interface ServerState {
  /** How many jobs there are in each state, by the state's name in the protocol, in lower case. */
  countJobs(): Promise<ReadonlyMap<string, number>>;
  /** How many workers are registered. */
  countWorkers(): number;
  /** How many connections are open. */
  countConnections(): number;
}

/**
 * Tells of every call that gets past authentication. To be the outermost interceptor, so that it sees errors
 * as clients do.
 */
export function callObserver({ called }: ServerObserver): Interceptor {
  return (next) => async (request) => {
    const { name } = request.method;
    try {
      const response = await next(request);
      if (!response.stream) called?.(name, "ok");
      return response.stream
        ? { ...response, message: observed(response.message, (code) => called?.(name, code)) }
        : response;
    } catch (error) {
      called?.(name, codeOf(error));
      throw error;
    }
  };
}

async function* observed<T>(messages: AsyncIterable<T>, ended: (code: string) => void): AsyncGenerator<T> {
  // What remains when the reader leaves the loop.
  let code = codeToString(Code.Canceled);
  try {
    yield* messages;
    code = "ok";
  } catch (error) {
    code = codeOf(error);
    throw error;
  } finally {
    ended(code);
  }
}

export function codeOf(error: unknown): string {
  return codeToString(ConnectError.from(error).code);
}
