/**
 * The front door of an HTTP server: takes connections, limits and times them, and carries their bytes to the
 * runtime's servers.
 *
 * The runtime's own listener ends for good when the process runs out of descriptors, has no limits, and waits
 * for ever for requests that never come. This one goes on. Bytes pass through as they are, so whatever the
 * servers behind speak is spoken.
 *
 * When there are as many connections as may be, the one that has waited longest for its client's next request
 * makes room.
 */
import type { Clock } from "../clock.ts";
import type { Logger } from "../logging/logger.ts";
import { Backends } from "./backends.ts";
import { Connection } from "./connection.ts";
import type { Deadlines, Expiry } from "./deadlines.ts";
import type { Exchange, HttpHandler } from "./exchange.ts";
import { type AddressLimit, AddressLimits } from "./address_limits.ts";
import type { CertificatePair } from "../tls/certificate.ts";
import { TlsTerminator } from "../tls/terminator.ts";
import { acceptTls } from "../tls/tls_acceptor.ts";
import { type Acceptor, type ClientSocket, listenTcp, NoDescriptorsError } from "./sockets.ts";

/**
 * A connection's own descriptor, and both ends of the socket behind it with the listener of its server; with
 * TLS both ends of the connection to who takes that off, too.
 */
export function descriptorsPerConnection(isTls: boolean): number {
  return isTls ? 6 : 4;
}

/** `connections` and `address`: there are as many as may be. `descriptors`: the system has none left. */
export type Refusal = "connections" | "address" | "descriptors";

/** Called synchronously; none of these may throw. */
export interface DoorObserver {
  refused?(reason: Refusal): void;
  /** Closed by us: too slow, or idle when room was needed. */
  closed?(reason: Expiry | "room"): void;
}

export interface DoorOptions {
  connectionsMax: number;
  addressLimit?: AddressLimit;
  deadlines: Deadlines;
  /** May throw: that is a bug, told as one. */
  handler: HttpHandler;
  clock: Clock;
  logger: Logger;
  observe?: DoorObserver;
  /** Completes "… with": how to get more descriptors. */
  descriptorsHint: string;
  /** Speak TLS, with this certificate. */
  certificate?: CertificatePair;
}

/** How long a system without descriptors is left alone, unless a connection of ours ends before. */
const PAUSE_MS = 500;
/** So long a client has for its request before it has to make room: it may just have connected. */
const ROOM_AFTER_MS = 1_000;
/** What is wrong is said again when it comes back after so long. */
const REPEAT_MS = 60_000;
/** So many of those that are turned away are told why at a time; the others are closed without a word. */
const TOLD_MAX = 8;
const TOLD_MS = 1_000;
/**
 * The runtime calls a response completed when its last bytes were offered to the socket; this is for what the
 * socket did not take at once.
 */
const FLUSH_MS = 20;

export interface Door {
  readonly port: number;
  /** How many are open. */
  readonly connections: number;
  /** Resolves when it was closed. */
  readonly finished: Promise<void>;
  /**
   * The certificate for connections from now on; those that are open do not notice.
   * @throws {TypeError} for one that cannot be used; then the one of before stays
   */
  renewCertificate(certificate: CertificatePair): void;
  /**
   * Takes no more connections and requests, waits at most `deadlineMs` for the answers under way, and closes
   * every connection.
   */
  close(deadlineMs: number): Promise<void>;
}

/**
 * @throws {Deno.errors.AddrInUse} and the like when the address cannot be had
 * @throws {TypeError} for a certificate that cannot be used
 */
export function openDoor(address: { hostname: string; port: number }, options: DoorOptions): Door {
  const { certificate, clock, logger } = options;
  const terminator = certificate &&
    new TlsTerminator(
      certificate,
      clock,
      (error) =>
        logger.warn("Somebody on this machine connects to a port inside the server, and cannot be cut off", {
          error: String(error),
        }),
    );
  try {
    return new OpenDoor(listenTcp(address), options, terminator);
  } catch (error) {
    terminator?.close();
    throw error;
  }
}

/** As `openDoor`, with connections from anywhere: for tests. */
export function openDoorOn(acceptor: Acceptor, options: DoorOptions): Door {
  return new OpenDoor(acceptor, options);
}

class OpenDoor implements Door {
  readonly finished: Promise<void>;
  readonly #acceptor: Acceptor;
  readonly #options: DoorOptions;
  readonly #terminator: TlsTerminator | undefined;
  readonly #backends = new Backends();
  readonly #connections = new Set<Connection>();
  /** Those without a request under way, the one that has waited longest first. */
  readonly #idle = new Set<Connection>();
  readonly #addresses: AddressLimits;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #told = new Map<string, number>();
  readonly #refusing = new Set<Promise<void>>();
  readonly #closed = new AbortController();
  #isClosing = false;
  #sweeping: Promise<void> | undefined;
  #madeRoom = new AbortController();

  constructor(acceptor: Acceptor, options: DoorOptions, terminator?: TlsTerminator) {
    this.#options = options;
    this.#terminator = terminator;
    this.#acceptor = terminator === undefined ? acceptor : acceptTls(acceptor, {
      terminator,
      clock: options.clock,
      onFailure: (address, reason) =>
        options.logger.debug("A client could not be talked to over TLS", { address, error: reason }),
    });
    this.#addresses = new AddressLimits(options.addressLimit);
    const accepting = this.#acceptAll();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed.signal.addEventListener("abort", () => resolve(), { once: true });
    this.finished = Promise.all([accepting, promise]).then(() => {});
  }

  get port(): number {
    return this.#acceptor.port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      try {
        const client = await this.#acceptor.accept();
        if (client === undefined) return;
        this.#admit(client);
      } catch (error) {
        await this.#pause(error);
      }
    }
  }

  /** Nothing that happens to one connection may end the door. */
  async #pause(error: unknown): Promise<void> {
    const { clock, observe, logger, descriptorsHint } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof NoDescriptorsError) {
      observe?.refused?.("descriptors");
      this.#tell("descriptors", () =>
        logger.error(
          `Out of descriptors: new connections wait until others end. Those that are open go on, and nothing is lost. Next: ${descriptorsHint}`,
          { connections: this.#connections.size, error: message },
        ));
      this.#makeRoom();
    } else {
      this.#tell("accept", () => logger.error("Cannot accept a connection - retrying", { error: message }));
    }
    await clock.sleep(PAUSE_MS, AbortSignal.any([this.#madeRoom.signal, this.#closed.signal]));
  }

  #admit(client: ClientSocket): void {
    const { connectionsMax } = this.#options;
    if (this.#connections.size >= connectionsMax && !this.#makeRoom()) {
      return this.#refuse(client, "connections", "The server has as many connections as it may have");
    }
    const leave = this.#addresses.enter(client.address);
    if (leave === undefined) {
      return this.#refuse(
        client,
        "address",
        "There are as many connections from this address as there may be",
      );
    }
    const connection: Connection = new Connection({
      client,
      connectBackend: (handler) => this.#backends.connect(handler),
      answer: (request, exchange) => this.#answer(request, exchange, client.address),
      onIdle: (isIdle) =>
        // It says so for the first time before it is finished being made.
        queueMicrotask(() =>
          isIdle && this.#connections.has(connection)
            ? this.#idle.add(connection)
            : this.#idle.delete(connection)
        ),
      clock: this.#options.clock,
    });
    this.#connections.add(connection);
    connection.finished.catch((error) => this.#failed(error)).then(() => {
      leave();
      this.#connections.delete(connection);
      this.#idle.delete(connection);
      this.#madeRoom.abort();
      this.#madeRoom = new AbortController();
    });
    this.#sweeping ??= this.#sweep();
  }

  /** A connection could not be carried to its server. */
  #failed(error: unknown): void {
    const { observe, logger } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof NoDescriptorsError) observe?.refused?.("descriptors");
    this.#tell(
      "backend",
      () => logger.error("A connection was closed before it was served", { error: message }),
    );
  }

  /**
   * Closes the connection that has waited longest for its next request; false when none has waited long
   * enough.
   */
  #makeRoom(): boolean {
    const [longest] = this.#idle;
    const sinceMs = longest?.idleSinceMs;
    if (sinceMs === undefined || this.#options.clock.elapsedMs() - sinceMs < ROOM_AFTER_MS) return false;
    this.#idle.delete(longest);
    this.#options.observe?.closed?.("room");
    longest.close();
    return true;
  }

  #refuse(client: ClientSocket, reason: Refusal, message: string): void {
    const { observe, logger, connectionsMax } = this.#options;
    observe?.refused?.(reason);
    this.#tell(reason, () =>
      logger.warn(`${message}; others are turned away`, {
        connections: this.#connections.size,
        connections_max: connectionsMax,
        address: client.address,
      }));
    if (this.#refusing.size >= TOLD_MAX) return client.close();
    const refusing: Promise<void> = this.#sayNo(client, message).finally(() => {
      client.close();
      this.#refusing.delete(refusing);
    });
    this.#refusing.add(refusing);
  }

  async #sayNo(client: ClientSocket, message: string): Promise<void> {
    const body = `${message}; try again\n`;
    const text = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n" +
      `Retry-After: 5\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const over = new AbortController();
    const said = (async () => {
      await client.write(new TextEncoder().encode(text));
      await client.closeWrite();
      // Until it has read that and gone.
      const scratch = new Uint8Array(1024);
      while (await client.read(scratch) !== null);
    })().catch(() => {});
    await Promise.race([
      said,
      this.#options.clock.sleep(TOLD_MS, AbortSignal.any([over.signal, this.#closed.signal])),
    ]);
    over.abort();
  }

  async #answer(request: Request, exchange: Exchange, peer: string): Promise<Response> {
    if (this.#isClosing) return text(503, "The server is stopping; try again\n");
    const leave = this.#addresses.enterRequest(peer, request.headers.get("X-Forwarded-For"));
    if (leave === undefined) {
      this.#options.observe?.refused?.("address");
      return text(503, "There are as many requests from this address as there may be; try again\n");
    }
    const sent: Promise<unknown> = exchange.sent().finally(() => {
      leave();
      this.#underWay.delete(sent);
    });
    this.#underWay.add(sent);
    try {
      return await this.#options.handler(request, exchange);
    } catch (error) {
      this.#options.logger.error("A request failed outside of its call", {
        error: error instanceof Error ? error.stack ?? error.message : String(error),
      });
      return text(500, "The server failed on this request; its log says why\n");
    }
  }

  /**
   * Looks for what is overdue, as long as there are connections: a process that nobody calls stays asleep.
   */
  async #sweep(): Promise<void> {
    const { deadlines, clock, logger, observe } = this.#options;
    const everyMs = sweepMs(deadlines);
    while (this.#connections.size > 0) {
      await clock.sleep(everyMs, this.#closed.signal);
      if (this.#closed.signal.aborted) break;
      for (const connection of [...this.#connections]) {
        const expiry = connection.expire(deadlines);
        if (expiry === undefined) continue;
        observe?.closed?.(expiry);
        logger.debug("Gave up waiting for a client", { address: connection.address, waited_for: expiry });
      }
    }
    this.#sweeping = undefined;
  }

  /** Once, and again when it comes back: a flood of connections must not become a flood of lines. */
  #tell(what: string, say: () => void): void {
    const nowMs = this.#options.clock.elapsedMs();
    const isNew = nowMs - (this.#told.get(what) ?? -Infinity) >= REPEAT_MS;
    this.#told.set(what, nowMs);
    if (isNew) say();
  }

  renewCertificate(certificate: CertificatePair): void {
    if (this.#terminator === undefined) throw new TypeError("cannot be used: no TLS is spoken here");
    this.#terminator.renew(certificate);
  }

  async close(deadlineMs: number): Promise<void> {
    const { clock, logger } = this.#options;
    this.#isClosing = true;
    this.#acceptor.close();
    for (const connection of this.#idle) connection.close();
    if (deadlineMs > 0) {
      const over = new AbortController();
      await Promise.race([Promise.all(this.#underWay), clock.sleep(deadlineMs, over.signal)]);
      over.abort();
      if (this.#underWay.size > 0) {
        logger.warn("Cutting connections that did not end in time", { count: this.#underWay.size });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, FLUSH_MS));
    this.#closed.abort();
    // Their servers' graceful shutdown would wait for clients that never finish their requests, and cannot be
    // cut short.
    for (const connection of this.#connections) connection.close();
    await this.#backends.close();
    await Promise.all([...this.#connections].map(({ finished }) => finished.catch(() => {})));
    await Promise.all(this.#refusing);
    this.#terminator?.close();
    await this.#sweeping;
    await this.finished;
  }
}

/** Often enough that the shortest deadline is kept to a quarter. */
function sweepMs({ headerMs, idleMs, bodyMs, streamMs }: Deadlines): number {
  return Math.min(1_000, Math.max(25, Math.min(headerMs, idleMs, bodyMs, streamMs) / 4));
}

function text(status: number, body: string): Response {
  return new Response(body, { status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
}
