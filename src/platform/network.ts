/**
 * The network as the rest of the program sees it: a seam for requests to others, and for those of others to
 * us.
 */
import type { Door, DoorOptions } from "./door/door.ts";

/**
 * Requests that share connections, over HTTP/1.1. Proxies and certificate authorities are those of the
 * environment.
 */
export interface HttpClient extends Disposable {
  /** As the web's `fetch`. */
  request(url: string, request: RequestInit): Promise<Response>;
  /** Closes what is kept open for the next request. Requests under way are the caller's to abort first. */
  close(): void;
}

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** A connection to somebody, as bytes both ways. */
export interface Connection extends Disposable {
  readonly readable: ReadableStream<Uint8Array>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

export interface Network {
  connect(address: Address): Promise<Connection>;
  /** Listens, on a free port for 0. @throws {AddrInUse} and the like when the address cannot be had */
  openDoor(address: Address, options: DoorOptions): Door;
  /**
   * How many files and sockets this process may have open, after it was raised as far as the system lets it.
   */
  raiseDescriptorLimit(): number;
  /** `caCerts`: certificates in PEM to trust beside the known ones. @throws {TypeError} for what is none */
  openHttpClient(options?: { caCerts?: readonly string[] }): HttpClient;
  /**
   * The certificate that a server shows, in DER, whether or not it is to be believed. Rejects when there is
   * none within `timeoutMs`.
   */
  certificateOf(address: Address, timeoutMs: number): Promise<Uint8Array>;
}
