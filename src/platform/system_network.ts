/**
 * The real network.
 */
import { raiseDescriptorLimit } from "./door/descriptors.ts";
import { openDoor } from "./door/door.ts";
import type { Network } from "./network.ts";
import { certificateOf } from "./tls/peer_certificate.ts";

export const systemNetwork: Network = {
  connect: ({ hostname, port }) => Deno.connect({ hostname, port }),
  openDoor: ({ hostname, port }, options) => openDoor({ hostname, port }, options),
  raiseDescriptorLimit,
  certificateOf,
  openHttpClient({ caCerts = [] } = {}) {
    // The runtime's HTTP/2 client needs 44 ms a call.
    const client = openClient(caCerts);
    return {
      request: (url, request) => fetch(url, { ...request, client }),
      close: () => client.close(),
      [Symbol.dispose]: () => client.close(),
    };
  },
};

function openClient(caCerts: readonly string[]): Deno.HttpClient {
  try {
    return Deno.createHttpClient({ http2: false, caCerts: [...caCerts] });
  } catch (cause) {
    throw new TypeError("a certificate in it is damaged", { cause });
  }
}
