/**
 * What an HTTP answer that is not a Connect response means: the error page of a proxy, a load balancer's
 * 503, a Connect error. Pure; the transport reads the bytes.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { codeFromHttpStatus, codeFromString } from "@connectrpc/connect/protocol-connect";

/** The cause of a ConnectError that an HTTP status other than 200 gave rise to. */
class HttpAnswerError extends Error {
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
  const error = new ConnectError(
    message,
    code,
    headers,
    undefined,
    new HttpAnswerError(status, wire !== undefined),
  );
  error.details.push(...wire?.details ?? []);
  return error;
}

function describe(status: number, headers: Headers, body: string): string {
  const location = headers.get("location");
  if (location !== null) return `Server answered with HTTP status ${status}, a redirection to ${location}`;
  const text = headers.get("content-type")?.startsWith("text/plain") ? body.trim().slice(0, 200) : "";
  return `Server answered with HTTP status ${status}${text && `: ${text}`}`;
}

interface WireError {
  code: Code;
  message: string;
  details: { type: string; value: Uint8Array }[];
}

function parseConnectError(body: string): WireError | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined; // Not JSON, so it is some other program's page: the status has to do.
  }
  if (typeof json !== "object" || json === null || !("code" in json) || typeof json.code !== "string") return;
  const code = codeFromString(json.code);
  if (code === undefined) return undefined;
  const message = "message" in json && typeof json.message === "string" ? json.message : "";
  const details = "details" in json && Array.isArray(json.details) ? json.details.flatMap(parseDetail) : [];
  return { code, message, details };
}

/** None, when it is not one as the protocol has it: the code counts all the same. */
function parseDetail(detail: unknown): WireError["details"] {
  if (typeof detail !== "object" || detail === null) return [];
  const { type, value } = detail as Record<string, unknown>;
  if (typeof type !== "string" || typeof value !== "string") return [];
  try {
    return [{ type, value: base64Decode(value) }];
  } catch {
    // Not base64: whatever it is, no reason of ours.
    return [];
  }
}

/** The HTTP status behind an error of a call, when it was another than 200. */
export function httpStatusOf(error: unknown): number | undefined {
  return answerOf(error)?.status;
}

export function answerOf(error: unknown): HttpAnswerError | undefined {
  return error instanceof ConnectError && error.cause instanceof HttpAnswerError ? error.cause : undefined;
}

/**
 * Whether the Connect library here found an answer, or one message of it, longer than it may be after
 * decompression. A server that says the same of a request says it in an error that came over the wire.
 */
export function isOversizedAnswer(error: ConnectError): boolean {
  return error.code === Code.ResourceExhausted && error.rawMessage.includes("configured readMaxBytes") &&
    answerOf(error) === undefined && !("isWireError" in error && error.isWireError === true);
}

/**
 * Whether the error says that the exchange itself broke off or was garbled. The Connect library reports a
 * response that ends too early as `invalid_argument` and a missing one as `unimplemented`, and servers
 * report a request that ended too early as `invalid_argument`: none of these says anything about an event.
 */
export function isProtocolError(error: ConnectError): boolean {
  return error.rawMessage.startsWith("protocol error:");
}
