/**
 * The real network.
 */
import { raiseDescriptorLimit } from "./door/descriptors.ts";
import { openDoor } from "./door/door.ts";
import type { Network } from "./network.ts";

export const systemNetwork: Network = {
  connect: ({ hostname, port }) => Deno.connect({ hostname, port }),
  openDoor: ({ hostname, port }, options) => openDoor({ hostname, port }, options),
  raiseDescriptorLimit,
  openHttpClient() {
    // The runtime's HTTP/2 client needs 44 ms a call.
    const client = Deno.createHttpClient({ http2: false });
    return {
      request: (url, request) => fetch(url, { ...request, client }),
      close: () => client.close(),
      [Symbol.dispose]: () => client.close(),
    };
  },
};
