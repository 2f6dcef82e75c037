/**
 * What an HTTP answer that is not a Connect response means: the error page of a proxy, a load balancer's
 * 503, a Connect error. Pure; the transport reads the bytes.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, codeFromString } from "@connectrpc/connect/protocol-connect";

/** The cause of a ConnectError that an HTTP status other than 200 gave rise to. */
export class HttpAnswerError extends Error {
  override readonly name = "HttpAnswerError";
  constructor(
    readonly status: number,
    /** Whether the answer named a Connect code: a server spoke then, and not something on the way to it. */
    readonly hasCode: boolean,
  ) {
    super(`HTTP status ${status}`);
  }
}

/** An error page is read up to here, for the sentence that may be in it. */
export const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Converts an answer with another status than 200. `body` may be cut off; the headers become the error's
 * metadata.
 */
export function errorFromAnswer(status: number, headers: Headers, body: string): ConnectError {
  const wire = parseConnectError(body);
  const message = wire?.message || describe(status, headers, body);
  const code = wire?.code ?? codeFromHttpStatus(status);
  return new ConnectError(message, code, headers, undefined, new HttpAnswerError(status, wire !== undefined));
}

function describe(status: number, headers: Headers, body: string): string {
  const location = headers.get("location");
  if (location !== null) return `Server answered with HTTP status ${status}, a redirection to ${location}`;
  const text = headers.get("content-type")?.startsWith("text/plain") ? body.trim().slice(0, 200) : "";
  return `Server answered with HTTP status ${status}${text && `: ${text}`}`;
}

function parseConnectError(body: string): { code: Code; message: string } | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined; // Not JSON, so it is some other program's page: the status has to do.
  }
  if (typeof json !== "object" || json === null || !("code" in json) || typeof json.code !== "string") return;
  const code = codeFromString(json.code);
  if (code === undefined) return undefined;
  return { code, message: "message" in json && typeof json.message === "string" ? json.message : "" };
}

/** The HTTP status behind an error of a call, when it was another than 200. */
export function httpStatusOf(error: unknown): number | undefined {
  return answerOf(error)?.status;
}

export function answerOf(error: unknown): HttpAnswerError | undefined {
  return error instanceof ConnectError && error.cause instanceof HttpAnswerError ? error.cause : undefined;
}

/**
 * Whether the error says that the exchange itself broke off or was garbled. The Connect library reports a
 * response that ends too early as `invalid_argument` and a missing one as `unimplemented`, and servers
 * report a request that ended too early as `invalid_argument`: none of these says anything about an event.
 */
export function isProtocolError(error: ConnectError): boolean {
  return error.rawMessage.startsWith("protocol error:");
}
