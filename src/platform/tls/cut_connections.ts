/**
 * Cuts TCP connections of this process that the runtime does not let go of: one that was accepted for TLS,
 * and closed before its handshake, stays open for as long as the other side likes.
 */

const SYMBOLS = {
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  dup: { parameters: ["i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** From Linux's headers, the same on every architecture. */
const AF_INET = 2;
const SHUT_RDWR = 2;
/**
 * struct sockaddr_in: family (in the machine's order), port and address (both big-endian), and nothing more.
 */
const ADDRESS_BYTES = 16;
const LOOPBACK = 0x7f000001;

/**
 * Those on a port of the IPv4 loopback that come from one of these ports. There are `descriptorsMax`
 * descriptors at most; each of them is looked at.
 */
export function cutConnections(
  localPort: number,
  remotePorts: ReadonlySet<number>,
  descriptorsMax: number,
): void {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const { getpeername, getsockname, dup, shutdown, close } = library.symbols;
  const isWanted = (descriptor: number) => {
    const remote = portOf(getpeername, descriptor);
    return remote !== undefined && remotePorts.has(remote) && portOf(getsockname, descriptor) === localPort;
  };
  try {
    for (let descriptor = 0; descriptor < descriptorsMax; descriptor++) {
      if (!isWanted(descriptor)) continue;
      // Another thread may close it at any moment, and its number be given to another socket: a copy stays
      // what it is, and is looked at before it is cut.
      const copy = dup(descriptor);
      if (copy < 0) continue;
      if (isWanted(copy)) shutdown(copy, SHUT_RDWR);
      close(copy);
    }
  } finally {
    library.close();
  }
}

type NameOf = (descriptor: number, address: BufferSource, length: BufferSource) => number;

/** The port of one end of a connection over the IPv4 loopback; undefined for whatever else it is. */
function portOf(name: NameOf, descriptor: number): number | undefined {
  const address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  if (name(descriptor, address, new Uint32Array([ADDRESS_BYTES])) !== 0) return undefined;
  const isOnLoopback = address.getUint16(0, true) === AF_INET && address.getUint32(4) === LOOPBACK;
  return isOnLoopback ? address.getUint16(2) : undefined;
}
