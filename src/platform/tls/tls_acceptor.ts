/**
 * Connections that speak TLS, as ones that do not: what is read from them and written to them is what is
 * inside.
 *
 * Nothing is done before a client's first bytes have come, so that one that says nothing costs one
 * descriptor, with or without TLS. The handshake is part of the wait for its first request, and has the same
 * deadline.
 */
import type { Clock } from "../clock.ts";
import type { Acceptor, ClientSocket, Socket } from "../door/sockets.ts";
import { type Pump, startPump } from "../door/pump.ts";
import type { Terminated, TlsTerminator } from "./terminator.ts";

/** A TLS record that begins a handshake (RFC 8446, 5.1). */
const HANDSHAKE = 0x16;
/** What a client says first fits, or is carried on from here. */
const FIRST_BYTES = 1024;
/** How long a client has to take our last words, such as why its handshake failed. */
const LAST_WORDS_MS = 1_000;

const NOT_TLS = "This port speaks TLS: the address begins with https://\n";
const ANSWER_TO_HTTP = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
  `Connection: close\r\nContent-Length: ${NOT_TLS.length}\r\n\r\n${NOT_TLS}`;

export interface TlsOptions {
  readonly terminator: TlsTerminator;
  readonly clock: Clock;
  /** A client that we could not talk to, and why. Must not throw. */
  onFailure(address: string, reason: string): void;
}

export function acceptTls(acceptor: Acceptor, options: TlsOptions): Acceptor {
  return {
    port: acceptor.port,
    async accept() {
      const raw = await acceptor.accept();
      return raw && new TlsClient(raw, options);
    },
    close: () => acceptor.close(),
  };
}

class TlsClient implements ClientSocket {
  readonly address: string;
  readonly #raw: ClientSocket;
  readonly #options: TlsOptions;
  #opening: Promise<Socket | undefined> | undefined;
  #terminated: Terminated | undefined;
  #inner: Socket | undefined;
  #down: Pump | undefined;
  #isClosed = false;

  constructor(raw: ClientSocket, options: TlsOptions) {
    this.#raw = raw;
    this.#options = options;
    this.address = raw.address;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const inner = await this.#open();
    if (inner === undefined) return null;
    try {
      return await inner.read(into);
    } catch (error) {
      await this.#sayWhy(inner, error);
      throw error;
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    const inner = await this.#open();
    if (inner === undefined) throw new Error("The client speaks no TLS");
    return await inner.write(bytes);
  }

  /** Resolves when all that was written is on its way to the client, so that closing cuts nothing off. */
  async closeWrite(): Promise<void> {
    const inner = await this.#open();
    await inner?.closeWrite();
    await this.#down?.finished.catch(() => {});
  }

  /**
   * Resolves when what was written is on its way to the client: when the runtime has nothing more to give
   * for a few turns of its loop.
   */
  async flushed(): Promise<void> {
    for (let quiet = 0; quiet < 3 && !this.#isClosed && this.#down !== undefined;) {
      const { bytes } = this.#down;
      await new Promise((resolve) => setTimeout(resolve, 0));
      await this.#down.written();
      quiet = this.#down.bytes === bytes ? quiet + 1 : 0;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#raw.close();
    this.#terminated?.abandon();
    this.#terminated?.outer.close();
    this.#inner?.close();
  }

  /** Undefined for a client that went away, or that does not speak TLS and was told so. */
  #open(): Promise<Socket | undefined> {
    return this.#opening ??= this.#connect();
  }

  async #connect(): Promise<Socket | undefined> {
    const first = new Uint8Array(FIRST_BYTES);
    const count = await this.#raw.read(first).catch(() => null);
    if (count === null) return undefined;
    if (first[0] !== HANDSHAKE) {
      await this.#refusePlain(first.subarray(0, count));
      return undefined;
    }
    const terminated = this.#terminated = await this.#options.terminator.connect();
    const { outer } = terminated;
    if (this.#isClosed) {
      outer.close();
      terminated.abandon();
      return undefined;
    }
    for (let offset = 0; offset < count;) offset += await outer.write(first.subarray(offset, count));
    this.#carry(outer);
    const inner = this.#inner = await terminated.inner;
    // Closed while it was waited for.
    if (this.#isClosed) inner.close();
    return inner;
  }

  #carry(outer: Socket): void {
    const elapsedMs = () => this.#options.clock.elapsedMs();
    const up = startPump({ from: this.#raw, to: outer, elapsedMs });
    const down = this.#down = startPump({ from: outer, to: this.#raw, elapsedMs });
    up.finished.then(() => outer.closeWrite(), () => outer.close()).catch(() => {});
    // What the client breaks, the inside hears of: by the end of what comes, or when it writes.
    down.finished.then(() => this.#raw.closeWrite(), () => outer.close()).catch(() => {});
  }

  async #refusePlain(first: Uint8Array): Promise<void> {
    const isHttp = /^[A-Z]+ /.test(new TextDecoder().decode(first.subarray(0, 16)));
    this.#options.onFailure(this.address, isHttp ? "it speaks plain HTTP" : "it does not speak TLS");
    if (!isHttp) return;
    const text = new TextEncoder().encode(ANSWER_TO_HTTP);
    await this.#lastWords(async () => {
      for (let offset = 0; offset < text.length;) offset += await this.#raw.write(text.subarray(offset));
      await this.#raw.closeWrite();
      // Until it has read that: what it still sends would otherwise throw away our answer.
      const scratch = new Uint8Array(FIRST_BYTES);
      while (await this.#raw.read(scratch) !== null);
    });
  }

  /** The TLS library has an alert for the client, which goes before the connection does. */
  async #sayWhy(inner: Socket, error: unknown): Promise<void> {
    if (this.#isClosed) return;
    const message = error instanceof Error ? error.message : String(error);
    this.#options.onFailure(this.address, message);
    inner.close();
    await this.#lastWords(() => this.#down!.finished);
  }

  async #lastWords(say: () => Promise<void>): Promise<void> {
    const over = new AbortController();
    await Promise.race([say().catch(() => {}), this.#options.clock.sleep(LAST_WORDS_MS, over.signal)]);
    over.abort();
  }
}
