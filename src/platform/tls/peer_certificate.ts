/**
 * The certificate of somebody else's server, to look at. Nothing is sent over the connection.
 */
import { connect } from "node:tls";
import { isIP } from "node:net";

export function certificateOf(
  { hostname, port }: { hostname: string; port: number },
  timeoutMs: number,
): Promise<Uint8Array> {
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      servername: isIP(host) === 0 ? host : undefined,
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
