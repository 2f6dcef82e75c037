/**
 * The worker's identity: key pairs in the credentials directory, and the tokens signed with them.
 *
 *     config.json    { version, default_credential, credentials: { NAME: { name, fingerprint, org_id, … } } }
 *     NAME.key       private key, PEM, 0600
 *     NAME.pub       public key, PEM
 */
import { join } from "node:path";
import { CredentialsError } from "./credentials_error.ts";
import { isKeyName, KEY_NAME_RULE } from "../keys/key_name.ts";
import { fingerprintOf } from "../platform/encoding/key_fingerprint.ts";
import { signToken, TOKEN_LIFETIME_SECONDS } from "./jwt.ts";
import { importPrivateKey, type KeyPair } from "./private_key.ts";
import { messageOf } from "../platform/error_text.ts";
import { type Files, readUpTo } from "../platform/files.ts";
import { NotFound } from "../platform/system_errors.ts";

export interface Credentials {
  readonly name: string;
  /** base58(SHA-256(public key, SPKI DER)), which servers list as the key's id. */
  readonly fingerprint: string;
  /**
   * A token for the server at `audience`, made when the last one is about to expire. `nowMs` is the wall
   * clock.
   */
  token(audience: string, nowMs: number): Promise<string>;
  /** Makes the next call of `token` sign a new one. */
  discardToken(): void;
}

/**
 * A token is renewed so long before it expires: a call in flight and a server clock that is ahead need the
 * room.
 */
const RENEW_BEFORE_MS = 300_000;

export interface CredentialEntry {
  name: string;
  fingerprint: string;
  org_id: string;
  principal_id: string;
  imported: boolean;
  created_at: string;
  updated_at: string;
}

export interface CredentialsConfig {
  version: number | string;
  default_credential?: string;
  credentials: Record<string, Partial<CredentialEntry>>;
}

/**
 * The credentials `name`, or the default ones. Undefined when the directory has no `config.json` and no name
 * was asked for: a server in development runs without authentication. Throws CredentialsError.
 */
export async function loadCredentials(
  files: Files,
  directory: string,
  name?: string,
): Promise<Credentials | undefined> {
  const configPath = join(directory, "config.json");
  const config = await readConfig(files, configPath);
  if (config === undefined) {
    if (name === undefined) return undefined;
    throw new CredentialsError(
      `Credentials "${name}" were asked for, but ${configPath} does not exist`,
      configPath,
    );
  }
  const chosen = name ?? config.default_credential;
  if (chosen === undefined || chosen === "") {
    throw new CredentialsError(
      `${configPath} names no default_credential. Set it, or name the credentials to use`,
      configPath,
    );
  }
  const entry = Object.hasOwn(config.credentials, chosen) ? config.credentials[chosen] : undefined;
  if (entry === undefined) {
    const known = Object.keys(config.credentials).join(", ") || "none";
    throw new CredentialsError(
      `${configPath} lists no credentials "${chosen}". It lists: ${known}`,
      configPath,
    );
  }
  const keyPath = join(directory, `${safeName(chosen, configPath)}.key`);
  const { signingKey, spki } = await readKey(files, keyPath);
  const fingerprint = await fingerprintOf(spki);
  if (entry.fingerprint !== undefined && entry.fingerprint !== fingerprint) {
    throw new CredentialsError(
      `Key ${keyPath} is not the one that config.json lists: its fingerprint is ${fingerprint}, ` +
        `listed is ${entry.fingerprint}. Put the right key back, or correct ${configPath}`,
      keyPath,
    );
  }
  const identity = { subject: fingerprint, org: entry.org_id ?? "", principalId: entry.principal_id ?? "" };
  return createSigner(chosen, signingKey, identity);
}

function createSigner(
  name: string,
  key: CryptoKey,
  identity: { subject: string; org: string; principalId: string },
): Credentials {
  // Several transports may share credentials, so that a token belongs to its audience.
  const tokens = new Map<string, { token: Promise<string>; issuedAtMs: number }>();
  return {
    name,
    fingerprint: identity.subject,
    token(audience, nowMs) {
      const cached = tokens.get(audience);
      const ageMs = cached && nowMs - cached.issuedAtMs;
      // A negative age means that the clock was set back: the server would see a token from the future.
      if (cached && ageMs! >= 0 && ageMs! < TOKEN_LIFETIME_SECONDS * 1_000 - RENEW_BEFORE_MS) {
        return cached.token;
      }
      const token = signToken(key, { audience, ...identity }, nowMs);
      tokens.set(audience, { token, issuedAtMs: nowMs });
      return token;
    },
    discardToken: () => tokens.clear(),
  };
}

export async function readConfig(files: Files, path: string): Promise<CredentialsConfig | undefined> {
  let text: string;
  try {
    text = await files.readText(path);
  } catch (cause) {
    if (cause instanceof NotFound) return undefined;
    throw new CredentialsError(`Cannot read ${path}: ${messageOf(cause)}`, path, { cause });
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new CredentialsError(`${path} is not valid JSON: ${messageOf(cause)}`, path, { cause });
  }
  if (!isConfig(config)) {
    throw new CredentialsError(
      `${path} has no object "credentials" that lists key pairs by their names`,
      path,
    );
  }
  return config;
}

function isConfig(value: unknown): value is CredentialsConfig {
  if (typeof value !== "object" || value === null || !("credentials" in value)) return false;
  const { credentials } = value;
  if (typeof credentials !== "object" || credentials === null || Array.isArray(credentials)) return false;
  if ("default_credential" in value && typeof value.default_credential !== "string") return false;
  return Object.values(credentials).every((entry: unknown) =>
    typeof entry === "object" && entry !== null &&
    ["fingerprint", "org_id", "principal_id"].every((field) => {
      const fieldValue = (entry as Record<string, unknown>)[field];
      return fieldValue === undefined || typeof fieldValue === "string";
    })
  );
}

/** Names become file names, and the listing may come from another machine. */
export function safeName(name: string, path: string): string {
  if (isKeyName(name)) return name;
  throw new CredentialsError(`Credentials "${name}" cannot be used: a name ${KEY_NAME_RULE}`, path);
}

/** A key with all its headers has a fiftieth of this. */
const KEY_BYTES_MAX = 64 * 1024;

async function readKey(files: Files, path: string): Promise<KeyPair> {
  const pem = await readPrivatePem(files, path);
  try {
    return await importPrivateKey(pem);
  } catch (cause) {
    throw new CredentialsError(`Private key ${path} cannot be used: ${messageOf(cause)}`, path, { cause });
  }
}

/** The text of a private key's file, which only its owner may read. @throws {CredentialsError} */
export async function readPrivatePem(files: Files, path: string): Promise<string> {
  try {
    using file = await files.openForReading(path);
    // The file that is looked at is the file that is read.
    const mode = (await file.stat()).mode ?? 0;
    if ((mode & 0o077) !== 0) {
      throw new CredentialsError(
        `Private key ${path} can be read by other users (mode ${(mode & 0o777).toString(8)}). ` +
          `Take that away with: chmod 600 ${path}`,
        path,
      );
    }
    return new TextDecoder().decode(await readUpTo(file, KEY_BYTES_MAX));
  } catch (cause) {
    if (cause instanceof CredentialsError) throw cause;
    throw new CredentialsError(`Cannot read private key ${path}: ${messageOf(cause)}`, path, { cause });
  }
}
