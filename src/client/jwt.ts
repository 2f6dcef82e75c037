/**
 * Tokens that say who calls: JSON Web Tokens signed with ES256 (RFC 7515, RFC 7518). Pure but
 * for WebCrypto.
 */

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
  // Loaded when the first token is needed: no start-up waits for it.
  const { SignJWT } = await import("jose/jwt/sign");
  const issuedAt = Math.floor(nowMs / 1_000);
  return await new SignJWT({
    iss: "airunner-cli",
    sub: claims.subject,
    aud: [claims.audience],
    iat: issuedAt,
    exp: issuedAt + TOKEN_LIFETIME_SECONDS,
    org: claims.org,
    // What a key may do, the server says; the contract wants this claim of everybody.
    roles: ["worker"],
    principal_id: claims.principalId,
  }).setProtectedHeader({ alg: "ES256", typ: "JWT", kid: claims.subject }).sign(key);
}
