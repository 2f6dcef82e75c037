/**
 * One datagram to a Unix socket, as a service manager expects it from a service that has started or is
 * stopping (sd_notify(3)). The runtime has such sockets only behind a flag that a compiled program does not
 * get, so the C library is called directly.
 */

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

// From Linux's sys/socket.h and sys/un.h.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const PATH_BYTES_MAX = 108;

/**
 * @param address an absolute path, or a name in the abstract namespace, which begins with `@`
 * @throws {RangeError} for any other address; {Error} when nobody listens there
 */
export function sendNotification(address: string, message: string): void {
  const socketAddress = encodeAddress(address);
  using library = openLibrary();
  const libc = library.symbols;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`Cannot open a socket (os error ${errno(libc)})`);
  try {
    const bytes = new TextEncoder().encode(message);
    const sent = libc.sendto(
      fd,
      bytes,
      BigInt(bytes.length),
      MSG_NOSIGNAL,
      socketAddress,
      socketAddress.length,
    );
    // A datagram goes as a whole or not at all.
    if (sent < 0) throw new Error(`Cannot send to the socket ${address} (os error ${errno(libc)})`);
  } finally {
    libc.close(fd);
  }
}

/**
 * struct sockaddr_un: the family, in the machine's byte order, and the path; `@` stands for the NUL of an
 * abstract name.
 */
export function encodeAddress(address: string): Uint8Array<ArrayBuffer> {
  const path = new TextEncoder().encode(address);
  if (!/^[/@]./.test(address) || path.length >= PATH_BYTES_MAX) {
    throw new RangeError(`${JSON.stringify(address)} is neither the path nor the name of a Unix socket`);
  }
  if (path[0] === 0x40) path[0] = 0;
  const bytes = new Uint8Array(2 + path.length);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(path, 2);
  return bytes;
}

function openLibrary() {
  if (Deno.build.os !== "linux") {
    throw new Deno.errors.NotSupported("Cannot notify a service manager: this is implemented for Linux only");
  }
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  return { symbols: library.symbols, [Symbol.dispose]: () => library.close() };
}

function errno(libc: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"]): number {
  const location = libc.__errno_location();
  return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
}
