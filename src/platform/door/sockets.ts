/**
 * Sockets as the front door sees them: a seam, so that a system without descriptors can be played in tests,
 * and the one implementation for real sockets.
 */

export interface Socket {
  /** How many bytes came, at least one; null at the end of what the other side sends. */
  read(into: Uint8Array): Promise<number | null>;
  /** How many bytes were taken. */
  write(bytes: Uint8Array): Promise<number>;
  /** Says that nothing more will be sent. */
  closeWrite(): Promise<void>;
  close(): void;
}

export interface ClientSocket extends Socket {
  /** The other side's IP address. */
  readonly address: string;
  /**
   * Resolves when what was written has been handed to the kernel, where that is not so as soon as it was
   * taken.
   */
  flushed?(): Promise<void>;
}

export interface Acceptor {
  readonly port: number;
  /**
   * The next connection; undefined once the acceptor is closed.
   * @throws {NoDescriptorsError} when the system has no descriptor or no memory for it: try again a little
   * later
   */
  accept(): Promise<ClientSocket | undefined>;
  close(): void;
}

/** There is none left for this process, or for the whole system. */
export class NoDescriptorsError extends Error {
  override name = "NoDescriptorsError";
}

/** From accept(2): this process's limit, the system's, and memory for sockets. */
const SHORTAGES = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

/** Errors of a connection that broke before it was taken up; accept(2) says to take the next one. */
const BROKEN = [
  "ECONNABORTED",
  "ECONNRESET",
  "EPROTO",
  "ENETDOWN",
  "ENOPROTOOPT",
  "EHOSTDOWN",
  "ENONET",
  "EHOSTUNREACH",
  "EOPNOTSUPP",
  "ENETUNREACH",
  "EINTR",
];

/** @throws {Deno.errors.AddrInUse} and the like */
export function listenTcp(address: { hostname: string; port: number }): Acceptor {
  const listener = Deno.listen(address);
  let isClosed = false;
  return {
    port: listener.addr.port,
    async accept() {
      for (;;) {
        try {
          return clientSocket(await listener.accept());
        } catch (error) {
          if (isClosed) return undefined;
          if (!BROKEN.includes(codeOf(error))) convertShortage(error);
        }
      }
    },
    close() {
      if (!isClosed) listener.close();
      isClosed = true;
    },
  };
}

function clientSocket(socket: Deno.TcpConn): ClientSocket {
  try {
    socket.setNoDelay(true);
    // So that the kernel finds out some day about a client whose machine has gone without a word.
    socket.setKeepAlive(true);
  } catch {
    // It broke before it was looked at; the first read will say so.
  }
  return Object.assign(onlyBytes(socket), { address: socket.remoteAddr.hostname });
}

/** @throws {NoDescriptorsError}, or the system's error when nobody listens there */
export async function connectUnix(path: string): Promise<Socket> {
  return onlyBytes(await Deno.connect({ transport: "unix", path }).catch(convertShortage));
}

/** To a port of our own. @throws {NoDescriptorsError}, or the system's error when nobody listens there */
export async function connectLoopback(port: number): Promise<{ socket: Socket; localPort: number }> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port }).catch(convertShortage);
  // What is small is on its way at once.
  socket.setNoDelay(true);
  return { socket: onlyBytes(socket), localPort: socket.localAddr.port };
}

function convertShortage(error: unknown): never {
  if (!isShortage(error)) throw error;
  throw new NoDescriptorsError((error as Error).message, { cause: error });
}

/** Whether an error says that the system has no descriptor or no memory for a socket. */
export function isShortage(error: unknown): boolean {
  return SHORTAGES.includes(codeOf(error));
}

/** The socket, which may be closed more than once. */
export function onlyBytes(socket: Deno.TcpConn | Deno.UnixConn | Deno.TlsConn): Socket {
  let isClosed = false;
  return {
    read: (into) => socket.read(into),
    write: (bytes) => socket.write(bytes),
    closeWrite: () => socket.closeWrite(),
    close() {
      if (!isClosed) socket.close();
      isClosed = true;
    },
  };
}

/** The runtime knows these errors by the system's names alone: it has classes for few of them. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Why an address cannot be listened on, and what to do; completes "Cannot listen on …: ". */
export function explainListenError(error: unknown, port: number): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is taken. Stop the program that has it, or choose another port (0 takes any free one).";
  }
  if (error instanceof Deno.errors.PermissionDenied && port < 1024) {
    return "ports below 1024 need the system's permission. Choose a higher one.";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine does not have that address. Choose one of its own, such as 127.0.0.1.";
  }
  return `${error instanceof Error ? error.message : String(error)}. Choose another address.`;
}

/** Whether somebody else listens on the address. */
export function isAddressTaken(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse;
}
