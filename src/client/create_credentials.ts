/**
 * Makes key pairs and lists them: apart from `credentials.ts`, which only ever reads.
 *
 * A pair never takes the place of another that would be lost by it: the one that was there before is kept
 * under a name of its own. In this order, with what a crash just after each step leaves:
 *
 *     1  the old pair gets its second name      the old pair under both names
 *     2  that is listed                         the same, listed under both
 *     3  the new pair takes the name            a listing whose fingerprint is the old one's, which is said
 *     4  the new fingerprint is listed          the new pair, and the old one under its own name
 */
import { join } from "node:path";
import { FileLockedError } from "../platform/file_lock.ts";
import { messageOf } from "../platform/error_text.ts";
import { type Files, isMissing } from "../platform/files.ts";
import { writeSmallFile } from "../platform/small_file.ts";
import { CredentialsError } from "./credentials_error.ts";
import { type CredentialEntry, type CredentialsConfig, readConfig, safeName } from "./credentials.ts";
import { fingerprintOf } from "../platform/encoding/key_fingerprint.ts";
import { nameBeside } from "../keys/key_name.ts";
import { generateKeyPems, type KeyPems } from "./private_key.ts";

export interface Identity {
  org: string;
  principal: string;
}

export interface NewCredentials {
  fingerprint: string;
  privateKeyPath: string;
  publicKeyPath: string;
  isDefault: boolean;
  /** The pair that had the name before, and where it is now. */
  retired: { name: string; fingerprint: string; privateKeyPath: string } | undefined;
}

export interface NewPair {
  name: string;
  pems: KeyPems;
  identity: Identity;
  imported: boolean;
  /** Take the name of a pair that is there, which gets another. */
  replace: boolean;
}

/** A new key pair. See `addCredentials`. */
export async function createCredentials(
  files: Files,
  directory: string,
  name: string,
  identity: Identity,
  nowMs: number,
): Promise<NewCredentials> {
  const pair = { name, pems: await generateKeyPems(), identity, imported: false, replace: false };
  return await addCredentials(files, directory, pair, nowMs);
}

/**
 * Writes `NAME.key` (0600) and `NAME.pub` (0644) in `directory` and lists them in its `config.json`; the
 * first credentials become the default ones. Throws CredentialsError.
 */
export async function addCredentials(
  files: Files,
  directory: string,
  pair: NewPair,
  nowMs: number,
): Promise<NewCredentials> {
  const name = safeName(pair.name, join(directory, "config.json"));
  try {
    await files.makeDirectory(directory);
    // Two at a time would each list their own pair alone.
    const lock = files.lockDirectory(directory, "exclusive");
    try {
      return await add(files, directory, { ...pair, name }, nowMs);
    } finally {
      lock?.release();
    }
  } catch (cause) {
    if (cause instanceof CredentialsError) throw cause;
    const why = cause instanceof FileLockedError
      ? "somebody else changes the keys there at this moment. Try again"
      : messageOf(cause);
    throw new CredentialsError(`Cannot create credentials "${name}" in ${directory}: ${why}`, directory, {
      cause,
    });
  }
}

async function add(
  files: Files,
  directory: string,
  { name, pems, identity, imported, replace }: NewPair,
  nowMs: number,
): Promise<NewCredentials> {
  const configPath = join(directory, "config.json");
  const config = await readConfig(files, configPath) ??
    { version: 1, default_credential: name, credentials: {} };
  const fingerprint = await fingerprintOf(pems.spki);
  const now = new Date(nowMs).toISOString();
  const paths = pathsOf(directory, name);
  let retired: NewCredentials["retired"];
  if (await isTaken(files, directory, config, name)) {
    if (!replace) {
      throw new CredentialsError(
        `Cannot create credentials "${name}" in ${directory}: a key of that name exists already. ` +
          `Choose another name, or add --force: the old pair is kept under another name then`,
        paths.privateKeyPath,
      );
    }
    retired = await retire(files, directory, config, name, now);
  }
  const write = async (path: string, text: string, permissions: number, mayReplace: boolean) => {
    if (await writeSmallFile({ files, path, text, permissions, replace: mayReplace })) return;
    throw new CredentialsError(`Cannot write ${path}: somebody made it at this moment. Try again`, path);
  };
  await write(paths.privateKeyPath, pems.privatePem, 0o600, replace);
  await write(paths.publicKeyPath, pems.publicPem, 0o644, replace);
  config.credentials[name] = {
    name,
    fingerprint,
    org_id: identity.org,
    principal_id: identity.principal,
    imported,
    created_at: now,
    updated_at: now,
  };
  config.default_credential ||= name;
  await writeConfig(files, configPath, config);
  return { fingerprint, ...paths, isDefault: config.default_credential === name, retired };
}

/** The files of a pair. */
export function pathsOf(directory: string, name: string): { privateKeyPath: string; publicKeyPath: string } {
  return { privateKeyPath: join(directory, `${name}.key`), publicKeyPath: join(directory, `${name}.pub`) };
}

async function isTaken(
  files: Files,
  directory: string,
  config: CredentialsConfig,
  name: string,
): Promise<boolean> {
  if (Object.hasOwn(config.credentials, name)) return true;
  for (const path of Object.values(pathsOf(directory, name))) {
    try {
      await files.lstat(path);
      return true;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  return false;
}

/** Steps 1 and 2. */
async function retire(
  files: Files,
  directory: string,
  config: CredentialsConfig,
  name: string,
  now: string,
): Promise<NewCredentials["retired"]> {
  const entry: Partial<CredentialEntry> = Object.hasOwn(config.credentials, name)
    ? config.credentials[name]
    : {};
  const fingerprint = entry.fingerprint ?? "unlisted";
  const retiredName = nameBeside(name, fingerprint);
  const [from, to] = [pathsOf(directory, name), pathsOf(directory, retiredName)];
  for (const path of ["privateKeyPath", "publicKeyPath"] as const) {
    try {
      // A name that is taken has the same pair from a time before, when this was interrupted.
      await files.link(from[path], to[path]);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  await files.syncDirectory(directory);
  config.credentials[retiredName] = { ...entry, name: retiredName, updated_at: now };
  await writeConfig(files, join(directory, "config.json"), config);
  return { name: retiredName, fingerprint, privateKeyPath: to.privateKeyPath };
}

async function writeConfig(files: Files, path: string, config: CredentialsConfig): Promise<void> {
  const text = JSON.stringify(config, null, 2) + "\n";
  await writeSmallFile({ files, path, text, permissions: 0o600, replace: true });
}
