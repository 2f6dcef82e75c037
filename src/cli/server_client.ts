/**
 * The server as the client commands see it: where it is, who we are, and what its errors mean to the user.
 */
import { type CallOptions, createClient } from "@connectrpc/connect";
import { type Credentials, loadCredentials } from "../delivery/credentials.ts";
import { classifyPublishError } from "../delivery/publish_error.ts";
import { createServerTransport, type ServerTransport } from "../delivery/transport.ts";
import { JobEventsService, JobService } from "../events/gen/job/v1/job_pb.ts";
import { CommandError, UsageError } from "./command_error.ts";
import type { Context } from "./context.ts";
import { ExitCode } from "./exit_code.ts";

export interface ServerSettings {
  readonly server: string | undefined;
  readonly credential: string | undefined;
  readonly dataDir: string;
  readonly requestTimeout: number;
}

/** A call failed. `mayPass` says whether the same call can work later. */
export class ServerError extends CommandError {
  override name = "ServerError";
  constructor(
    message: string,
    exitCode: number,
    readonly mayPass: boolean,
    next?: string,
    options?: ErrorOptions,
  ) {
    super(message, exitCode, next, options);
  }
}

export function requireServer(settings: Pick<ServerSettings, "server">): string {
  if (settings.server) return settings.server;
  throw new UsageError("No server is given: add --server=URL, or set AIRUNNER_SERVER");
}

/** The transport to the configured server, signed in with the configured key pair. */
export async function connectTransport(settings: ServerSettings, context: Context): Promise<ServerTransport> {
  const server = requireServer(settings);
  const credentials = await findCredentials(settings, context);
  return createServerTransport({ server, credentials, clock: context.clock });
}

/**
 * Key pairs lie in `~/.airunner/credentials`. A data directory elsewhere may have its own; without one, a worker that keeps
 * its logs on another disk still is the same person.
 */
async function findCredentials(
  { dataDir, credential }: ServerSettings,
  context: Context,
): Promise<Credentials | undefined> {
  const home = context.env("HOME");
  const homeDir = home && `${home}/.airunner/credentials`;
  const ownDir = `${dataDir}/credentials`;
  const useHome = homeDir && homeDir !== ownDir && !await isThere(`${ownDir}/config.json`);
  return await loadCredentials(useHome ? homeDir : ownDir, credential);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new CommandError(
      `Cannot look for ${path}: ${(error as Error).message}`,
      ExitCode.CONFIGURATION,
      undefined,
      { cause: error },
    );
  }
}

export class ServerClient implements Disposable {
  readonly server: string;
  readonly #transport: ServerTransport;
  readonly #requestTimeoutMs: number;
  readonly #context: Context;

  constructor(transport: ServerTransport, requestTimeoutMs: number, context: Context) {
    this.server = transport.server;
    this.#transport = transport;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#context = context;
  }

  static async connect(settings: ServerSettings, context: Context): Promise<ServerClient> {
    return new ServerClient(await connectTransport(settings, context), settings.requestTimeout, context);
  }

  /** One unary call. @throws ServerError */
  async call<T>(make: (jobs: JobClient, options: CallOptions) => Promise<T>): Promise<T> {
    try {
      return await make(createClient(JobService, this.#transport), { timeoutMs: this.#requestTimeoutMs });
    } catch (error) {
      throw this.convert(error);
    }
  }

  /** For streams, whose errors come while they are read: give them to `convert`. */
  events(): EventsClient {
    return createClient(JobEventsService, this.#transport);
  }

  convert(error: unknown): ServerError {
    const { kind, code, message } = classifyPublishError(error, this.#context.clock.nowMs());
    const cause = { cause: error };
    switch (kind) {
      case "authentication":
        return new ServerError(
          `${this.server} does not let us in: ${message}`,
          ExitCode.AUTHENTICATION,
          false,
          "Check --credential and the key pairs in ~/.airunner/credentials; the server must list the public key.",
          cause,
        );
      case "transient":
        return new ServerError(
          `Cannot use ${this.server}: ${message}`,
          ExitCode.UNREACHABLE,
          true,
          "Check the address and whether the server runs, then try again.",
          cause,
        );
      case "refused":
        return new ServerError(
          `${this.server} refused: ${message} (${code})`,
          ExitCode.FAILED,
          false,
          undefined,
          cause,
        );
    }
  }

  [Symbol.dispose](): void {
    this.#transport.close();
  }
}

export type JobClient = ReturnType<typeof createClient<typeof JobService>>;
export type EventsClient = ReturnType<typeof createClient<typeof JobEventsService>>;
