/**
 * Takes TLS off connections: the runtime's own TLS, behind a port that only we connect to.
 *
 * The runtime accepts TLS by listening alone, with a certificate that is fixed from then on, and what it has
 * not accepted yet is lost when it stops listening. So the front door's socket never listens for TLS: a
 * connection's bytes are carried to a listener on the loopback that has today's certificate, and what comes
 * out there is what the client said. A new certificate is a new such listener, for connections from then on;
 * the old one is closed once nobody is on the way to it any more. No connection that is open notices, and
 * none is refused.
 *
 * Others on this machine can connect to that port too. Who accepts knows from which port we came, and cuts
 * every other connection.
 */
import type { Clock } from "../clock.ts";
import { raiseDescriptorLimit } from "../door/descriptors.ts";
import { connectLoopback, isShortage, onlyBytes, type Socket } from "../door/sockets.ts";
import type { CertificatePair } from "./certificate.ts";
import { cutConnections } from "./cut_connections.ts";

/** Both, so that clients that speak HTTP/2 alone, and ours, which does not, get what they speak. */
const PROTOCOLS = ["h2", "http/1.1"];
/** How long a system without descriptors is left alone. */
const PAUSE_MS = 500;
/** So that an error that does not end is no endless loop. */
const BROKEN_PAUSE_MS = 10;
/** How long connections that are not ours may stay, so that looking for them costs little. */
const CUT_EVERY_MS = 500;

/** Connections that are not ours could not be cut: they stay for as long as their other side likes. */
type OnFailure = (error: unknown) => void;

export interface Terminated {
  /** Towards the client: TLS, as it is on the wire. */
  readonly outer: Socket;
  /** Resolves to what is in it. Rejects when it was given up, or the terminator was closed. */
  readonly inner: Promise<Socket>;
  /** To be called when nobody waits for `inner` any more. */
  abandon(): void;
}

export class TlsTerminator {
  readonly #clock: Clock;
  readonly #onFailure: OnFailure;
  #current: Generation;

  /**
   * @throws {TypeError} for a pair that cannot be used: the message completes "the certificate and its key
   * …"
   */
  constructor(pair: CertificatePair, clock: Clock, onFailure: OnFailure) {
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#current = new Generation(pair, clock, onFailure);
  }

  /** For connections from now on. @throws {TypeError} as the constructor; then the old one stays. */
  renew(pair: CertificatePair): void {
    const next = new Generation(pair, this.#clock, this.#onFailure);
    this.#current.retire();
    this.#current = next;
  }

  /** @throws {NoDescriptorsError} */
  connect(): Promise<Terminated> {
    return this.#current.connect();
  }

  close(): void {
    this.#current.close();
  }
}

/** One certificate's listener. */
class Generation {
  readonly #listener: Deno.TlsListener;
  readonly #port: number;
  readonly #clock: Clock;
  /** Who waits for the connection that comes from a port of ours. */
  readonly #waiting = new Map<number, PromiseWithResolvers<Socket>>();
  /** Accepted before whoever connected knew the port. */
  readonly #early = new Map<number, Socket>();
  /** The ports of connections that are nobody's of ours, to be cut. */
  readonly #strangers = new Set<number>();
  #cutting: Promise<void> | undefined;
  readonly #closed = new AbortController();
  readonly #onFailure: OnFailure;
  #connecting = 0;
  #isRetired = false;

  constructor(pair: CertificatePair, clock: Clock, onFailure: OnFailure) {
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#listener = listen(pair);
    this.#port = (this.#listener.addr as Deno.NetAddr).port;
    void this.#acceptAll();
  }

  async connect(): Promise<Terminated> {
    this.#connecting++;
    try {
      const { socket, localPort } = await connectLoopback(this.#port);
      const early = this.#early.get(localPort);
      if (early !== undefined) {
        this.#early.delete(localPort);
        return { outer: socket, inner: Promise.resolve(early), abandon: () => {} };
      }
      const accepted = Promise.withResolvers<Socket>();
      // Whoever gave up waiting must not be told of it as of an error that nobody handles.
      accepted.promise.catch(() => {});
      this.#waiting.set(localPort, accepted);
      const abandon = () => {
        accepted.reject(new Error("Nobody waits for it any more"));
        this.#forget(localPort);
      };
      return { outer: socket, inner: accepted.promise, abandon };
    } finally {
      this.#connecting--;
      this.#dropStrangers();
      this.#closeIfUnused();
    }
  }

  /** Closes once all that are on their way have arrived. */
  retire(): void {
    this.#isRetired = true;
    this.#closeIfUnused();
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    this.#listener.close();
    for (const { reject } of this.#waiting.values()) reject(new Error("TLS is no longer taken here"));
    this.#waiting.clear();
    this.#dropStrangers();
  }

  async #acceptAll(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        this.#arrived(await this.#listener.accept());
      } catch (error) {
        // What waits in the queue is taken when there are descriptors again. A connection that broke is its
        // own.
        const pauseMs = isShortage(error) ? PAUSE_MS : BROKEN_PAUSE_MS;
        await this.#clock.sleep(pauseMs, this.#closed.signal);
      }
    }
  }

  #arrived(accepted: Deno.TlsConn): void {
    const { port } = accepted.remoteAddr;
    const connection = onlyBytes(accepted);
    const waiting = this.#waiting.get(port);
    if (waiting !== undefined) {
      waiting.resolve(connection);
      this.#forget(port);
    } else if (this.#connecting > 0) {
      this.#early.set(port, connection);
    } else {
      this.#turnAway(port, connection);
    }
  }

  #turnAway(port: number, connection: Socket): void {
    connection.close();
    this.#strangers.add(port);
    this.#cutting ??= this.#cut();
  }

  /** A little later, and many at a time: it takes a look at all sockets that there are. */
  async #cut(): Promise<void> {
    while (this.#strangers.size > 0) {
      await this.#clock.sleep(CUT_EVERY_MS, this.#closed.signal);
      const ports = new Set(this.#strangers);
      this.#strangers.clear();
      try {
        cutConnections(this.#port, ports, raiseDescriptorLimit());
      } catch (error) {
        this.#onFailure(error);
      }
    }
    this.#cutting = undefined;
  }

  #forget(port: number): void {
    this.#waiting.delete(port);
    this.#closeIfUnused();
  }

  #dropStrangers(): void {
    if (this.#connecting > 0 && !this.#closed.signal.aborted) return;
    for (const [port, socket] of this.#early) this.#turnAway(port, socket);
    this.#early.clear();
  }

  #closeIfUnused(): void {
    if (this.#isRetired && this.#connecting === 0 && this.#waiting.size === 0) this.close();
  }
}

function listen({ cert, key }: CertificatePair): Deno.TlsListener {
  try {
    return Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key, alpnProtocols: PROTOCOLS });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const reason = message.includes("KeyMismatch")
      ? "do not belong together: the key is another one's"
      : `cannot be used: ${message}`;
    throw new TypeError(reason, { cause });
  }
}
