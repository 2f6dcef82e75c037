/**
 * Tokens that say who calls: JSON Web Tokens signed with ES256 (RFC 7515, RFC 7518). Pure but
 * for WebCrypto.
 */
import { encodeBase64Url } from "../platform/base64url.ts";

/** A token is good for so long (wire contract: 1 h). */
export const TOKEN_LIFETIME_SECONDS = 3_600;

export interface TokenClaims {
  /** The server's URL. */
  audience: string;
  /** The public key's fingerprint: who signs. */
  subject: string;
  org: string;
  principalId: string;
}

/** A signed token, issued at `nowMs` of the wall clock. */
export async function signToken(key: CryptoKey, claims: TokenClaims, nowMs: number): Promise<string> {
  const issuedAt = Math.floor(nowMs / 1_000);
  const header = { alg: "ES256", typ: "JWT", kid: claims.subject };
  const payload = {
    iss: "airunner-cli",
    sub: claims.subject,
    aud: [claims.audience],
    iat: issuedAt,
    exp: issuedAt + TOKEN_LIFETIME_SECONDS,
    org: claims.org,
    roles: ["worker"],
    principal_id: claims.principalId,
  };
  const signed = `${encodeJson(header)}.${encodeJson(payload)}`;
  // WebCrypto gives r and s one after the other, which is just the form a token wants.
  const signature = await crypto.subtle.sign(
    { name: "ECDSA", hash: "SHA-256" },
    key,
    new TextEncoder().encode(signed),
  );
  return `${signed}.${encodeBase64Url(new Uint8Array(signature))}`;
}

function encodeJson(value: unknown): string {
  return encodeBase64Url(new TextEncoder().encode(JSON.stringify(value)));
}
