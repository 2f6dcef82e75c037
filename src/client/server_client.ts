/**
 * The server as the client commands see it: where it is, who we are, and what its errors mean to the user.
 */
import { type CallOptions, createClient } from "@connectrpc/connect";
import { readCaCertificates } from "./ca_certificates.ts";
import { loadCredentials } from "./credentials.ts";
import { CredentialsError } from "./credentials_error.ts";
import { toCallError } from "./to_call_error.ts";
import { createServerTransport, type ServerTransport } from "./transport.ts";
import { JobEventsService, JobService } from "../events/gen/job/v1/job_pb.ts";
import type { Clock } from "../platform/clock.ts";
import type { Network } from "../platform/network.ts";
import type { Files } from "../platform/files.ts";
import { messageOf } from "../platform/error_text.ts";
import { NotFound } from "../platform/system_errors.ts";
import { ServerError } from "./server_error.ts";

export interface ServerSettings {
  readonly server: string;
  readonly credential: string | undefined;
  readonly dataDir: string;
  /** Certificates to trust. Whoever has the settings of a client has this one too, set or not. */
  readonly caFile?: string;
  readonly requestTimeout: number;
}

/** What a client needs of the outside world. */
export interface ClientContext {
  env(name: string): string | undefined;
  readonly files: Files;
  readonly clock: Clock;
  readonly network: Network;
}

/** The transport to the configured server, signed in with the configured key pair. */
export async function connectTransport(
  settings: ServerSettings,
  context: ClientContext,
): Promise<ServerTransport> {
  const { clock, network } = context;
  const directory = await credentialsDirectory(settings.dataDir, context);
  const credentials = await loadCredentials(context.files, directory, settings.credential);
  const caCerts = await readCaCertificates(settings.caFile, context);
  return createServerTransport({ server: settings.server, credentials, clock, network, caCerts });
}

/**
 * Key pairs lie in `~/.airunner/credentials`. A data directory elsewhere may have its own; without one, a
 * worker that keeps its logs on another disk still is the same person.
 */
export async function credentialsDirectory(
  dataDir: string,
  context: Pick<ClientContext, "env" | "files">,
): Promise<string> {
  const home = context.env("HOME");
  const homeDir = home && `${home}/.airunner/credentials`;
  const ownDir = `${dataDir}/credentials`;
  const useHome = homeDir && homeDir !== ownDir && !await isThere(context.files, `${ownDir}/config.json`);
  return useHome ? homeDir : ownDir;
}

async function isThere(files: Files, path: string): Promise<boolean> {
  try {
    await files.stat(path);
    return true;
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw new CredentialsError(`Cannot look for ${path}: ${messageOf(error)}`, path, { cause: error });
  }
}

export class ServerClient implements Disposable {
  readonly server: string;
  readonly #transport: ServerTransport;
  readonly #requestTimeoutMs: number;
  readonly #context: ClientContext;

  constructor(transport: ServerTransport, requestTimeoutMs: number, context: ClientContext) {
    this.server = transport.server;
    this.#transport = transport;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#context = context;
  }

  static async connect(settings: ServerSettings, context: ClientContext): Promise<ServerClient> {
    return new ServerClient(await connectTransport(settings, context), settings.requestTimeout, context);
  }

  /** One unary call. @throws ServerError */
  async call<T>(make: (jobs: JobServiceClient, options: CallOptions) => Promise<T>): Promise<T> {
    try {
      return await make(createClient(JobService, this.#transport), { timeoutMs: this.#requestTimeoutMs });
    } catch (error) {
      throw this.convert(error);
    }
  }

  /** For streams, whose errors come while they are read: give them to `convert`. */
  events(): EventsServiceClient {
    return createClient(JobEventsService, this.#transport);
  }

  convert(error: unknown): ServerError {
    const { kind, code, message } = toCallError(error, this.#context.clock.nowMs());
    const cause = { cause: error };
    switch (kind) {
      case "authentication":
        return new ServerError(`${this.server} does not let us in: ${message}`, kind, cause);
      case "transient":
        return new ServerError(`Cannot use ${this.server}: ${message}`, "unreachable", cause);
      case "refused":
        return new ServerError(`${this.server} refused: ${message} (${code})`, kind, cause);
    }
  }

  [Symbol.dispose](): void {
    this.#transport.close();
  }
}

export type JobServiceClient = ReturnType<typeof createClient<typeof JobService>>;
export type EventsServiceClient = ReturnType<typeof createClient<typeof JobEventsService>>;
