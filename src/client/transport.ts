/**
 * The connection to the server: the Connect protocol over `fetch` and HTTP/1.1, which is the combination that
 * works on Deno (its HTTP/2 client needs 44 ms a call, the Node clients raise unhandled rejections).
 *
 * Foreign errors are converted here, once. Whoever calls sees ConnectErrors only, and among them
 * `unavailable` for everything that kept an answer from arriving; `httpStatusOf` tells the status behind an
 * error.
 */
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import type { Clock } from "../platform/clock.ts";
import type { HttpClient, Network } from "../platform/network.ts";
import { CaFileError } from "./ca_file_error.ts";
import type { Credentials } from "./credentials.ts";
import { explainTlsError } from "./tls_error.ts";
import { ANSWER_BYTES_MAX, errorFromAnswer, isOversizedAnswer, isProtocolError } from "./http_answer.ts";

export interface ServerTransport extends Transport {
  /** The server's address in the form in which it is used: no slash at its end. */
  readonly server: string;
  /** Closes pooled connections. Calls in flight are the caller's to abort first. */
  close(): void;
}

export interface ServerTransportOptions {
  /** `https://host[:port][/path]`; TypeError when it is something else. */
  server: string;
  /** Without them, calls carry no Authorization header: a server in development wants none. */
  credentials?: Credentials;
  clock: Clock;
  network: Network;
  /** Certificates in PEM to trust beside the known ones. */
  caCerts?: readonly string[];
}

/**
 * For a whole unary answer after decompression, and for each message of a stream. No message of the contract
 * is near it. It keeps a peer that is no server of ours from making us reserve the 4 GiB that an envelope's
 * length can name, or what a compressed answer grows to.
 */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A transport for `createClient`. Proxies and the known certificate authorities are taken from the
 * environment, as Deno does.
 *
 * The reader of a server stream who stops early must abort the call's signal: the library does not
 * pass on that a loop was left.
 */
export function createServerTransport(options: ServerTransportOptions): ServerTransport {
  const server = parseServerUrl(options.server);
  const httpClient = openHttpClient(options);
  const interceptors = [convertBrokenExchanges];
  if (options.credentials) interceptors.unshift(authorize(options.credentials, server, options.clock));
  const transport = createTransport({
    httpClient: createFetchClient(httpClient, server),
    baseUrl: server,
    useBinaryFormat: true,
    interceptors,
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: RESPONSE_BYTES_MAX,
    writeMaxBytes: 0xffffffff,
  });
  return {
    server,
    unary: (...call) => transport.unary(...call),
    stream: (...call) => transport.stream(...call),
    close: () => httpClient.close(),
  };
}

/** @throws {CaFileError} */
function openHttpClient({ network, caCerts }: ServerTransportOptions): HttpClient {
  try {
    return network.openHttpClient({ caCerts });
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new CaFileError(
      `Cannot trust the certificates of --ca-file or SSL_CERT_FILE: ${cause.message}. Mend the file, or name none`,
      { cause },
    );
  }
}

/**
 * The address in the form in which calls and tokens use it. Throws a TypeError that says what is wrong with
 * it.
 */
export function parseServerUrl(text: string): string {
  const refuse = (why: string) =>
    new TypeError(
      `Server address "${text}" cannot be used: ${why}. Give it like https://ci.example.com:8080`,
    );
  if (!URL.canParse(text)) throw refuse("it is not a URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refuse("it must begin with http:// or https://");
  }
  // They would show up in log lines and in the token's audience.
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(
      `Server address for host ${url.host} cannot be used: it holds a user name or password. ` +
        `Keep keys in the credentials directory instead`,
    );
  }
  if (url.search !== "" || url.hash !== "") throw refuse("a query or fragment has no meaning here");
  return url.href.replace(/\/+$/, "");
}

function createFetchClient(client: HttpClient, server: string): UniversalClientFn {
  return async (request) => {
    let response: Response;
    try {
      response = await client.request(request.url, {
        method: request.method,
        headers: request.header,
        body: request.body && await wholeBody(request.body, request.signal),
        signal: request.signal,
        // Following a redirection would turn the call into a GET, and take the token elsewhere.
        redirect: "manual",
      });
    } catch (error) {
      throw connectionError(`No answer from ${server}`, error);
    }
    const chunks = chunksOf(response, server);
    if (response.status === 200) {
      return { status: 200, header: response.headers, body: chunks, trailer: new Headers() };
    }
    throw errorFromAnswer(response.status, response.headers, await readText(chunks));
  };
}

/**
 * Each of our calls sends one message, so all of it is there: a body of known length passes servers and
 * proxies that do not take chunked ones.
 */
function wholeBody(body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const stream = ReadableStream.from(body).pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), {
    signal,
  });
  return new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).bytes();
}

/**
 * The body's chunks. Leaving the loop early lets go of the connection.
 *
 * The runtime reads into blocks of 64 KiB and gives out what came of each, which of a compressed answer may
 * be an eighth: whoever keeps the chunks would keep all of the blocks. So what fills less than half of its
 * block is copied.
 */
async function* chunksOf(response: Response, server: string): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  try {
    for await (const chunk of response.body) {
      yield 2 * chunk.byteLength < chunk.buffer.byteLength ? chunk.slice() : chunk;
    }
  } catch (error) {
    throw connectionError(`Connection to ${server} was lost before the answer was complete`, error);
  }
}

/**
 * The beginning of an error page. A page that breaks off is as good as a whole one: its status is what
 * counts.
 */
async function readText(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of chunks) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length >= ANSWER_BYTES_MAX) break;
    }
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
  }
  return text;
}

/** When the call was aborted, the library reports the signal's reason in place of this. */
function connectionError(what: string, cause: unknown): ConnectError {
  const message = cause instanceof Error ? cause.message : String(cause);
  // The runtime's own words repeat addresses before they come to the point: "client error (Connect): …".
  const why = explainTlsError(message) ?? message.replace(/^error sending request .*?(?=client error)/, "");
  return new ConnectError(`${what}: ${why}`, Code.Unavailable, undefined, undefined, cause);
}

/**
 * An interceptor that sees every error of a call, those of a response stream included, and may replace it.
 */
function onError(convert: (error: ConnectError) => ConnectError): Interceptor {
  const rethrow = (error: unknown): never => {
    throw error instanceof ConnectError ? convert(error) : error;
  };
  async function* guarded<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* messages;
    } catch (error) {
      rethrow(error);
    }
  }
  return (next) => async (request) => {
    const response = await next(request).catch(rethrow);
    return response.stream ? { ...response, message: guarded(response.message) } : response;
  };
}

const convertBrokenExchanges = onError((error) => {
  const broken = (what: string) => new ConnectError(what, Code.Unavailable, error.metadata, undefined, error);
  if (isOversizedAnswer(error)) {
    // Says nothing about the request, and no server of the contract sends it: it comes from something else,
    // or will pass.
    return broken(
      `The answer was refused: it is longer than ${RESPONSE_BYTES_MAX / 1024 ** 2} MiB after decompression`,
    );
  }
  return isProtocolError(error)
    ? broken(`Connection was lost before the answer was complete: ${error.rawMessage}`)
    : error;
});

function authorize(credentials: Credentials, audience: string, clock: Clock): Interceptor {
  // A token that was refused is not used again: it may have been made while the clock was wrong.
  const discardRefused = onError((error) => {
    if (error.code === Code.Unauthenticated) credentials.discardToken();
    return error;
  });
  return (next) => {
    const call = discardRefused(next);
    return async (request) => {
      const token = await credentials.token(audience, clock.nowMs());
      request.header.set("Authorization", `Bearer ${token}`);
      return await call(request);
    };
  };
}
