/**
 * Decides who makes a call: `Authorization: Bearer` with a JWT signed (ES256) by one of the authorized keys,
 * for this server, now, in the role of a worker. What that key may do is the server's to say, not the
 * token's.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../platform/clock.ts";
import { decodeBase64Url } from "../platform/encoding/base64url.ts";
import type { AuthorizedKey } from "./authorized_keys.ts";

/** How far the clocks of a client and of this server may be apart. */
const CLOCK_SKEW_SECONDS = 60;
/**
 * A token of the contract's form has about 600 characters. The limit keeps strangers from having us parse
 * more.
 */
const TOKEN_CHARACTERS_MAX = 8_192;

const ISSUER = "airunner-cli";
/** What every token claims, whatever its key is for: the contract has it so. */
const CLAIMED_ROLE = "worker";

export interface AuthOptions {
  keys: { find(fingerprint: string): Promise<AuthorizedKey | undefined> };
  /** The URLs that clients know this server by. */
  audiences: readonly string[];
  clock: Clock;
}

export interface Authenticated extends AuthorizedKey {
  readonly fingerprint: string;
}

/**
 * Resolves to the key when the header proves that its owner calls. @throws ConnectError, unauthenticated,
 * when it does not.
 */
export async function authenticate(
  authorization: string | null,
  options: AuthOptions,
): Promise<Authenticated> {
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? "")?.[1];
  if (!token || token.length > TOKEN_CHARACTERS_MAX) {
    throw refused("a call needs the header Authorization: Bearer with a JWT");
  }
  const fingerprint = keyId(token.slice(0, token.indexOf(".")));
  const key = await options.keys.find(fingerprint);
  if (!key) throw refused("the key that signed the token is not authorized on this server");
  checkClaims(await verified(token, key.key, fingerprint, options.clock.nowMs()), options);
  return { ...key, fingerprint };
}

/**
 * @throws ConnectError unless the header asks for exactly the one algorithm there is: a token must not choose
 * its own.
 */
function keyId(encodedHeader: string): string {
  const header = decodeObject(encodedHeader);
  if (header.alg !== "ES256") throw refused("the token is not signed with ES256");
  if (typeof header.kid !== "string") throw refused("the token does not name its key (kid)");
  return header.kid;
}

/**
 * What the token claims, once its signature, its issuer, its subject and its times were found to be right.
 */
async function verified(
  token: string,
  key: CryptoKey,
  subject: string,
  nowMs: number,
): Promise<Record<string, unknown>> {
  // Loaded when the first token comes: no start-up waits for it.
  const [{ jwtVerify }, errors] = await Promise.all([import("jose/jwt/verify"), import("jose/errors")]);
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ["ES256"],
      issuer: ISSUER,
      subject,
      requiredClaims: ["exp", "iat"],
      clockTolerance: CLOCK_SKEW_SECONDS,
      currentDate: new Date(nowMs),
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) {
      throw refused("the token's signature is wrong");
    }
    if (error instanceof errors.JWTExpired) throw refused("the token has expired");
    if (error instanceof errors.JWTClaimValidationFailed) throw refused(REASONS[error.claim] ?? NO_TOKEN);
    if (error instanceof errors.JOSEError) throw refused(NO_TOKEN);
    throw error;
  }
}

const NO_TOKEN = "the token is not a JWT";
const FUTURE = "the token is from the future; compare the clocks";

/** Why a token is refused, by the claim that is wrong. */
const REASONS: Readonly<Record<string, string>> = {
  iss: "the token's issuer is another one",
  sub: "the token's subject is not the key that signed it",
  nbf: FUTURE,
  exp: "the token has no exp or no iat",
  iat: "the token has no exp or no iat",
};

/** What the library does not look at, or compares as text. */
function checkClaims({ iat, aud, roles }: Record<string, unknown>, { audiences, clock }: AuthOptions): void {
  if (Number(iat) - CLOCK_SKEW_SECONDS > clock.nowMs() / 1000) throw refused(FUTURE);
  const named = Array.isArray(aud) ? aud : [aud];
  const ours = new Set(audiences.map(normalizeUrl));
  if (!named.some((audience) => typeof audience === "string" && ours.has(normalizeUrl(audience)))) {
    throw refused(
      "the token is for another server (aud); a server known by another URL is told so with its public URL",
    );
  }
  if (!Array.isArray(roles) || !roles.includes(CLAIMED_ROLE)) {
    throw refused(`the token does not have the role "${CLAIMED_ROLE}"`);
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
  throw refused(NO_TOKEN);
}

function refused(reason: string): ConnectError {
  return new ConnectError(`Not authenticated: ${reason}`, Code.Unauthenticated);
}
