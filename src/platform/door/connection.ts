/**
 * One client of the front door: its socket, the server of its own behind it, and what it keeps us waiting
 * for.
 */
import type { Clock } from "../clock.ts";
import type { Backend, BackendHandler } from "./backends.ts";
import { connectionExpiry, type Deadlines, type Expiry } from "./deadlines.ts";
import { Exchange } from "./exchange.ts";
import { type Pump, PumpError, startPump } from "./pump.ts";
import { type ClientSocket, NoDescriptorsError } from "./sockets.ts";

export interface ConnectionOptions {
  client: ClientSocket;
  connectBackend(handler: BackendHandler): Promise<Backend>;
  /** Never rejects. */
  answer(request: Request, exchange: Exchange, connection: Connection): Promise<Response>;
  /** It has begun, or ended, to wait for its client's next request. */
  onIdle(isIdle: boolean): void;
  clock: Clock;
}

/** What the first bytes of a client are read into; the pump goes on with a buffer of its own. */
const FIRST_BYTES = 1024;

/** A client that still sends when all was said is not cut at once, or it would lose the end of its answer. */
const LINGER_MS = 1_000;

export class Connection {
  readonly address: string;
  /** Resolves when its sockets are closed; rejects when it could not be carried to its server. */
  readonly finished: Promise<void>;
  readonly #options: ConnectionOptions;
  readonly #exchanges = new Set<Exchange>();
  readonly #allAnswered: (() => void)[] = [];
  #backend: Backend | undefined;
  #down: Pump | undefined;
  #isBroken = false;
  #hadRequest = false;
  #idleSinceMs: number;
  #firstByteMs: number | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.address = options.client.address;
    this.#idleSinceMs = options.clock.elapsedMs();
    options.onIdle(true);
    this.finished = this.#run();
  }

  /** Since when it waits for its client's next request; undefined while one is under way. */
  get idleSinceMs(): number | undefined {
    return this.#exchanges.size === 0 ? this.#idleSinceMs : undefined;
  }

  /** Ends it at once, whatever is under way. */
  close(): void {
    this.#isBroken = true;
    this.#options.client.close();
    this.#backend?.socket.close();
  }

  /** Gives up what its client is too slow with, and says why. */
  expire(deadlines: Deadlines): Expiry | undefined {
    const nowMs = this.#options.clock.elapsedMs();
    const writingMs = nowMs - (this.#down?.writingSinceMs ?? nowMs);
    let expiry: Expiry | undefined = writingMs >= deadlines.streamMs ? "stream" : undefined;
    if (this.#exchanges.size === 0) {
      expiry ??= connectionExpiry(
        { sinceMs: this.#idleSinceMs, firstByteMs: this.#firstByteMs, hadRequest: this.#hadRequest },
        deadlines,
        nowMs,
      );
    }
    if (expiry !== undefined) {
      this.close();
      return expiry;
    }
    // A request is answered before its connection is closed: the client is told why.
    for (const exchange of this.#exchanges) expiry ??= exchange.expire(deadlines, nowMs);
    return expiry;
  }

  async #run(): Promise<void> {
    const { client } = this.#options;
    try {
      // Who says nothing costs one descriptor and no server.
      const first = new Uint8Array(FIRST_BYTES);
      const count = await client.read(first).catch((error) => {
        // Which a client that speaks TLS needs for its first bytes.
        if (error instanceof NoDescriptorsError) throw error;
        return null;
      });
      if (count === null || this.#isBroken) return;
      this.#sawBytes();
      const backend = await this.#options.connectBackend((request, completed) =>
        this.#handle(request, completed)
      );
      this.#backend = backend;
      if (this.#isBroken) return;
      await this.#carry(client, backend, first.subarray(0, count));
    } finally {
      this.close();
      this.#options.onIdle(false);
      void this.#answered().then(() => this.#backend?.release());
    }
  }

  async #carry(client: ClientSocket, { socket }: Backend, first: Uint8Array): Promise<void> {
    const elapsedMs = () => this.#options.clock.elapsedMs();
    for (let offset = 0; offset < first.length;) offset += await socket.write(first.subarray(offset));
    const up = startPump({ from: client, to: socket, elapsedMs, onBytes: () => this.#sawBytes() });
    const down = this.#down = startPump({ from: socket, to: client, elapsedMs });
    const upEnded = up.finished.then(
      () => socket.closeWrite().catch(() => {}),
      (error) => {
        // A client that broke takes its requests with it; a server that reads no more may still have an
        // answer to send.
        if (!(error instanceof PumpError)) throw error;
        if (error.side === "from") this.close();
      },
    );
    const downEnded = down.finished.catch((error) => {
      if (!(error instanceof PumpError)) throw error;
      this.close();
    });
    await downEnded;
    if (this.#isBroken) return await upEnded;
    await client.closeWrite().catch(() => {});
    await this.#linger(client, upEnded);
  }

  /**
   * Takes, for a moment, what the client still sends: closing with bytes unread makes the kernel throw away
   * what it has not sent.
   */
  async #linger(client: ClientSocket, upEnded: Promise<void>): Promise<void> {
    const over = new AbortController();
    const rest = upEnded.then(async () => {
      const scratch = new Uint8Array(FIRST_BYTES);
      while (!over.signal.aborted && await client.read(scratch).catch(() => null) !== null);
    });
    await Promise.race([rest, this.#options.clock.sleep(LINGER_MS, over.signal)]);
    over.abort();
    this.close();
    await rest;
  }

  #sawBytes(): void {
    if (this.#exchanges.size === 0) this.#firstByteMs ??= this.#options.clock.elapsedMs();
  }

  async #handle(request: Request, completed: Promise<void>): Promise<Response> {
    const whole = completed.then(() => true, () => false);
    const exchange = new Exchange(
      request,
      this.#options.clock,
      async () => await whole && await this.#passedOn(),
    );
    if (this.#exchanges.size === 0) this.#options.onIdle(false);
    this.#exchanges.add(exchange);
    this.#hadRequest = true;
    // Not before its last bytes were passed on: a connection without a request is closed at once when the
    // server stops.
    exchange.sent().then(() => this.#ended(exchange));
    return await this.#options.answer(request, exchange, this);
  }

  #ended(exchange: Exchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size > 0) return;
    this.#idleSinceMs = this.#options.clock.elapsedMs();
    this.#firstByteMs = undefined;
    if (!this.#isBroken) this.#options.onIdle(true);
    for (const wake of this.#allAnswered.splice(0)) wake();
  }

  /** Resolves when no request is under way. */
  async #answered(): Promise<void> {
    if (this.#exchanges.size > 0) await new Promise<void>((resolve) => this.#allAnswered.push(resolve));
  }

  /**
   * Whether what the server has sent was passed on to the client. The server's last bytes are in its socket
   * already; the pump sees them in the next turn of the event loop.
   */
  async #passedOn(): Promise<boolean> {
    let before: number | undefined;
    do {
      before = this.#down?.bytes;
      await new Promise((resolve) => setTimeout(resolve, 0));
      await this.#down?.written();
    } while (!this.#isBroken && this.#down?.bytes !== before);
    await this.#options.client.flushed?.();
    return !this.#isBroken;
  }
}
