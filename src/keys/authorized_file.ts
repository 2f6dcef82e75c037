/**
 * The file of an authorized key. Its name is the key's name, its text says what the key may do:
 *
 *     Roles: read, submit
 *     -----BEGIN PUBLIC KEY-----
 *     …                                  SPKI, P-256
 *     -----END PUBLIC KEY-----
 *
 * Text before the block is no part of a PEM file (RFC 7468), and every reader skips it. So key and roles are
 * one file: what copies, moves or writes it atomically does so to both, and no roles are lost on the way,
 * which would leave a key that may do everything. Pure but for WebCrypto.
 */
import { fingerprintOf } from "../platform/encoding/key_fingerprint.ts";
import { ALL_ROLES, formatRoles, parseRoles, type Role, ROLES } from "./roles.ts";

export interface PublicKey {
  readonly fingerprint: string;
  /** Verifies signatures. */
  readonly key: CryptoKey;
  /** The block alone, in its usual form. */
  readonly pem: string;
}

export interface AuthorizedFile extends PublicKey {
  /** All of them when the file says nothing. */
  readonly roles: ReadonlySet<Role>;
  /** Whether the file itself says what the key may do. */
  readonly saysRoles: boolean;
}

const BEGIN = "-----BEGIN PUBLIC KEY-----";

/** @throws {TypeError} that completes "PATH cannot be used: …" */
export async function readPublicKey(text: string): Promise<PublicKey> {
  const body = /-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----/.exec(text)?.[1];
  if (body === undefined) {
    throw new TypeError(
      text.includes("PRIVATE KEY-----")
        ? "it is a private key, which no server needs; the public one lies beside it, in the file .pub"
        : "it has no PUBLIC KEY block",
    );
  }
  const base64 = body.replace(/\s/g, "");
  try {
    const der = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("spki", der, algorithm, false, ["verify"]);
    const lines = base64.match(/.{1,64}/g)!.join("\n");
    return {
      fingerprint: await fingerprintOf(der),
      key,
      pem: `${BEGIN}\n${lines}\n-----END PUBLIC KEY-----\n`,
    };
  } catch (cause) {
    throw new TypeError("it is not a public key for ES256 (SPKI PEM, curve P-256)", { cause });
  }
}

/**
 * A line that was meant to narrow a key and does not is refused: it must not leave a key that may do
 * everything. @throws {TypeError}
 */
export async function readAuthorizedFile(text: string): Promise<AuthorizedFile> {
  const publicKey = await readPublicKey(text);
  const said = text.slice(0, text.indexOf(BEGIN)).split("\n").filter((line) => /^\W*roles?\b/i.test(line));
  if (said.length === 0) return { ...publicKey, roles: ALL_ROLES, saysRoles: false };
  const list = /^Roles:(.*)$/i.exec(said[0])?.[1];
  const roles = said.length === 1 && list !== undefined ? parseRoles(list) : undefined;
  if (roles === undefined) {
    throw new TypeError(
      `its line ${JSON.stringify(said.at(-1)!.slice(0, 80))} does not say which roles it has. ` +
        `One line like "Roles: submit, run" does, with any of ${ROLES.join(", ")}`,
    );
  }
  return { ...publicKey, roles, saysRoles: true };
}

/** Without roles it says nothing of them, and the key may do everything. */
export function formatAuthorizedFile(pem: string, roles: ReadonlySet<Role> | undefined): string {
  return roles === undefined ? pem : `Roles: ${formatRoles(roles)}\n${pem}`;
}
