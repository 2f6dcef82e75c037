/**
 * Decides whether a call may be made: `Authorization: Bearer` with a JWT signed (ES256) by one of the
 * authorized keys, for this server, now, in the role of a worker.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../platform/clock.ts";
import { decodeBase64Url } from "../platform/base64url.ts";

/** How far the clocks of a client and of this server may be apart. */
const CLOCK_SKEW_SECONDS = 60;
/**
 * A token of the contract's form has about 600 characters. The limit keeps strangers from having us parse
 * more.
 */
const TOKEN_CHARACTERS_MAX = 8_192;

const ISSUER = "airunner-cli";
const ROLE = "worker";

export interface AuthOptions {
  keys: { find(fingerprint: string): Promise<CryptoKey | undefined> };
  /** The URLs that clients know this server by. */
  audiences: readonly string[];
  clock: Clock;
}

/**
 * Resolves when the header proves that the caller may call. @throws ConnectError, unauthenticated, when it
 * does not.
 */
export async function authenticate(authorization: string | null, options: AuthOptions): Promise<void> {
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? "")?.[1];
  if (!token || token.length > TOKEN_CHARACTERS_MAX) {
    throw refused("a call needs the header Authorization: Bearer with a JWT");
  }
  const [header, claims, signature] = token.split(".") as [string, string, string];
  const fingerprint = keyId(decodeObject(header));
  const key = await options.keys.find(fingerprint);
  if (!key) throw refused("the key that signed the token is not authorized on this server");
  if (!await isSigned(key, `${header}.${claims}`, signature)) throw refused("the token's signature is wrong");
  // Only now is anything in the claims worth reading.
  checkClaims(decodeObject(claims), fingerprint, options);
}

/**
 * @throws ConnectError unless the header asks for exactly the one algorithm there is: a token must not choose
 * its own.
 */
function keyId(header: Record<string, unknown>): string {
  if (header.alg !== "ES256") throw refused("the token is not signed with ES256");
  if (typeof header.kid !== "string") throw refused("the token does not name its key (kid)");
  return header.kid;
}

async function isSigned(key: CryptoKey, text: string, signature: string): Promise<boolean> {
  const bytes = decodeBase64Url(signature);
  if (!bytes) return false;
  return await crypto.subtle.verify(
    { name: "ECDSA", hash: "SHA-256" },
    key,
    bytes,
    new TextEncoder().encode(text),
  );
}

function checkClaims(
  claims: Record<string, unknown>,
  fingerprint: string,
  { audiences, clock }: AuthOptions,
): void {
  if (claims.iss !== ISSUER) throw refused("the token's issuer is another one");
  if (claims.sub !== fingerprint) throw refused("the token's subject is not the key that signed it");
  checkTimes(claims, clock.nowMs() / 1000);
  const named = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  const ours = new Set(audiences.map(normalizeUrl));
  if (!named.some((audience) => typeof audience === "string" && ours.has(normalizeUrl(audience)))) {
    throw refused(
      "the token is for another server (aud); a server known by another URL is told so with its public URL",
    );
  }
  if (!Array.isArray(claims.roles) || !claims.roles.includes(ROLE)) {
    throw refused(`the token does not have the role "${ROLE}"`);
  }
}

function checkTimes({ exp, iat, nbf }: Record<string, unknown>, nowSeconds: number): void {
  if (typeof exp !== "number" || typeof iat !== "number") throw refused("the token has no exp or no iat");
  if (exp + CLOCK_SKEW_SECONDS <= nowSeconds) throw refused("the token has expired");
  const start = typeof nbf === "number" ? Math.max(iat, nbf) : iat;
  if (start - CLOCK_SKEW_SECONDS > nowSeconds) {
    throw refused("the token is from the future; compare the clocks");
  }
}

/**
 * "https://Host:443/" and "https://host" are one server. What is no URL stays as it is, and equals nothing of
 * ours.
 */
export function normalizeUrl(text: string): string {
  return URL.canParse(text) ? new URL(text).href.replace(/\/+$/, "") : text;
}

function decodeObject(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(decodeBase64Url(part)));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through: whatever is wrong with the text, the answer is the same.
  }
  throw refused("the token is not a JWT");
}

function refused(reason: string): ConnectError {
  return new ConnectError(`Not authenticated: ${reason}`, Code.Unauthenticated);
}
