/**
 * The certificate of somebody else's server, to look at. Nothing is sent over the connection.
 */
import { parseAddress } from "../ip_address.ts";

export async function certificateOf(
  { hostname, port }: { hostname: string; port: number },
  timeoutMs: number,
): Promise<Uint8Array> {
  // The runtime takes some milliseconds for it, which no other command should wait for.
  const { connect } = await import("node:tls");
  const host = hostname.replace(/^\[|\]$/g, "");
  return await new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      servername: parseAddress(host) === undefined ? host : undefined,
      // It is looked at because it may be one that nobody should believe.
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    });
    const timer = setTimeout(() => end(() => reject(new Error("no handshake in time"))), timeoutMs);
    const end = (tell: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      tell();
    };
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      end(() =>
        raw === undefined ? reject(new Error("no certificate was shown")) : resolve(new Uint8Array(raw))
      );
    });
    socket.once("error", (error) => end(() => reject(error)));
  });
}
