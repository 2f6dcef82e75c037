/**
 * The real network.
 */
import type { Network } from "./network.ts";

export const systemNetwork: Network = {
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
