/**
 * The listening socket: opened with errors that say what to do, closed without cutting answers short.
 */
import type { Clock } from "../platform/clock.ts";
import type { AddressRange } from "../platform/ip_address.ts";
import type { Deadlines } from "../platform/door/deadlines.ts";
import {
  descriptorsPerConnection,
  type Door,
  type DoorObserver,
  type DoorOptions,
} from "../platform/door/door.ts";
import { explainListenError } from "../platform/door/sockets.ts";
import type { HttpHandler } from "../platform/door/exchange.ts";
import type { Logger } from "../platform/logging/logger.ts";
import type { Address, Network } from "../platform/network.ts";
import type { CertificatePair } from "../platform/tls/certificate.ts";

/** The server cannot start; the message says what happened and what to do next. */
export class ServerStartError extends Error {
  override name = "ServerStartError";
}

/** Who may connect how often, and how long the server waits for whom. */
export interface ConnectionLimits {
  /** Undefined: as many as the limit of open files allows, and at most `DEFAULT_CONNECTIONS_MAX`. */
  connectionsMax: number | undefined;
  /** 0: no limit. */
  perAddressMax: number;
  /** Proxies whose X-Forwarded-For is believed. */
  trustedProxies: readonly AddressRange[];
  deadlines: Deadlines;
}

/** Four thousand idle ones take some 400 MB. */
const DEFAULT_CONNECTIONS_MAX = 4_000;

/**
 * For the database and its journal, keys, log files, libraries, and those who are being told that there is no
 * room.
 */
const DESCRIPTORS_RESERVED = 64;

export interface Listener {
  readonly url: string;
  /** The same server under the other names of this machine's loopback. */
  readonly urls: readonly string[];
  readonly port: number;
  readonly connectionsMax: number;
  /** How many are open. */
  readonly connections: number;
  readonly finished: Promise<void>;
  /** As the door's. */
  renewCertificate(certificate: CertificatePair): void;
  /**
   * Refuses new requests, waits for the answers under way, at most `deadlineMs`, and closes every connection.
   */
  close(deadlineMs: number): Promise<void>;
}

export interface ListenOptions {
  network: Network;
  address: { hostname: string; port: number };
  limits: ConnectionLimits;
  handler: HttpHandler;
  clock: Clock;
  logger: Logger;
  observe: DoorObserver;
  /** Speak TLS, with this certificate. */
  certificate: CertificatePair | undefined;
}

/** @throws ServerStartError */
export function listen(options: ListenOptions): Listener {
  const { network, address, limits, handler, clock, logger, observe, certificate } = options;
  const isTls = certificate !== undefined;
  const connectionsMax = connectionsThatFit(
    network.raiseDescriptorLimit(),
    descriptorsPerConnection(isTls),
    limits.connectionsMax,
    logger,
  );
  const door = open(network, address, {
    connectionsMax,
    addressLimit: limits.perAddressMax > 0
      ? { max: limits.perAddressMax, trustedProxies: limits.trustedProxies }
      : undefined,
    deadlines: limits.deadlines,
    handler,
    clock,
    logger,
    observe,
    certificate,
    descriptorsHint: "raise the limit of open files (ulimit -n, LimitNOFILE=), or lower --max-connections",
  });
  const { port } = door;
  const scheme = isTls ? "https" : "http";
  const url = urlOf(scheme, address.hostname, port);
  return {
    url,
    urls: isLoopback(address.hostname)
      ? ["127.0.0.1", "localhost", "::1"].map((name) => urlOf(scheme, name, port))
      : [url],
    port,
    connectionsMax,
    get connections() {
      return door.connections;
    },
    finished: door.finished,
    renewCertificate: (renewed) => door.renewCertificate(renewed),
    close: (deadlineMs) => door.close(deadlineMs),
  };
}

/**
 * How many connections there may be: never more than there are descriptors for. @throws ServerStartError when
 * that is none
 */
function connectionsThatFit(
  descriptors: number,
  perConnection: number,
  wanted: number | undefined,
  logger: Logger,
): number {
  const fit = Math.floor((descriptors - DESCRIPTORS_RESERVED) / perConnection);
  if (fit < 1) {
    throw new ServerStartError(
      `Cannot serve anybody: this process may have ${descriptors} files and sockets open, and ` +
        `${DESCRIPTORS_RESERVED + perConnection} are the least. Raise the limit (ulimit -n, LimitNOFILE=).`,
    );
  }
  if (wanted !== undefined && wanted > fit) {
    logger.warn(
      "The limit of open files allows fewer connections than configured. Next: raise LimitNOFILE= or ulimit -n",
      {
        max_connections: wanted,
        possible: fit,
        open_files: descriptors,
        needed: DESCRIPTORS_RESERVED + wanted * perConnection,
      },
    );
  }
  return Math.min(wanted ?? DEFAULT_CONNECTIONS_MAX, fit);
}

function open(network: Network, address: Address, options: DoorOptions): Door {
  try {
    return network.openDoor(address, options);
  } catch (cause) {
    if (cause instanceof TypeError && options.certificate !== undefined) {
      throw new ServerStartError(
        `Cannot speak TLS: the certificate and its key ${cause.message}. Check --tls-cert and --tls-key.`,
        { cause },
      );
    }
    throw new ServerStartError(
      `Cannot listen on ${address.hostname}:${address.port}: ${explainListenError(cause, address.port)}`,
      { cause },
    );
  }
}

function urlOf(scheme: string, hostname: string, port: number): string {
  const bare = hostname.replace(/^\[|\]$/g, "");
  return `${scheme}://${bare.includes(":") ? `[${bare}]` : bare}:${port}`;
}

/** Whether the address can be reached from this machine alone. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || hostname === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(hostname);
}
