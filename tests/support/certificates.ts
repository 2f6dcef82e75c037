/**
 * Certificates for tests, made by the project's own code: for these names, and from now on for some days.
 */
import { type CertificatePair } from "../../src/platform/tls/certificate.ts";
import { makeSelfSigned } from "../../src/platform/tls/self_signed.ts";

export interface TestCertificate {
  readonly names?: readonly string[];
  readonly nowMs?: number;
  readonly days?: number;
}

export function testCertificate(
  { names = ["localhost", "127.0.0.1"], nowMs = Date.now(), days = 30 }: TestCertificate = {},
): Promise<CertificatePair> {
  const randomBytes = crypto.getRandomValues(new Uint8Array(16));
  return makeSelfSigned({ names, nowMs, days, randomBytes });
}

/** Puts a pair in the place of another, each file at once, as programs do that renew certificates. */
export function installCertificate({ cert, key }: CertificatePair, directory: string): void {
  for (const [name, text] of [["key.pem", key], ["cert.pem", cert]]) {
    Deno.writeTextFileSync(`${directory}/.${name}`, text);
    Deno.renameSync(`${directory}/.${name}`, `${directory}/${name}`);
  }
}
