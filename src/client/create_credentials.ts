/**
 * Makes a new key pair and lists it: apart from `credentials.ts`, which only ever reads.
 */
import { join } from "node:path";
import { messageOf } from "../platform/error_text.ts";
import type { Files } from "../platform/files.ts";
import { AlreadyExists } from "../platform/system_errors.ts";
import { CredentialsError } from "./credentials_error.ts";
import { readConfig, safeName } from "./credentials.ts";
import { fingerprintOf } from "../platform/key_fingerprint.ts";
import { generateKeyPems } from "./private_key.ts";

export interface NewCredentials {
  fingerprint: string;
  privateKeyPath: string;
  publicKeyPath: string;
}

/**
 * Creates `NAME.key` (0600) and `NAME.pub` (0644) in `directory` and lists them in its `config.json`; the
 * first credentials become the default ones. Existing keys are never overwritten. Throws CredentialsError.
 */
export async function createCredentials(
  files: Files,
  directory: string,
  name: string,
  identity: { org: string; principal: string },
  nowMs: number,
): Promise<NewCredentials> {
  const configPath = join(directory, "config.json");
  const privateKeyPath = join(directory, `${safeName(name, configPath)}.key`);
  const publicKeyPath = join(directory, `${name}.pub`);
  const config = await readConfig(files, configPath) ??
    { version: 1, default_credential: name, credentials: {} };
  const { privatePem, publicPem, spki } = await generateKeyPems();
  const fingerprint = await fingerprintOf(spki);
  const now = new Date(nowMs).toISOString();
  config.credentials[name] = {
    name,
    fingerprint,
    org_id: identity.org,
    principal_id: identity.principal,
    imported: false,
    created_at: now,
    updated_at: now,
  };
  try {
    await files.makeDirectory(directory);
    await files.writeText(privateKeyPath, privatePem, "new", 0o600);
    await files.writeText(publicKeyPath, publicPem, "new", 0o644);
    // Renamed into place, so that a crash leaves the old listing or the new one; a key that is not listed
    // does no harm.
    const temporaryPath = `${configPath}.tmp-${files.uniqueName()}`;
    await files.writeText(temporaryPath, JSON.stringify(config, null, 2) + "\n", "new", 0o600);
    await files.rename(temporaryPath, configPath);
  } catch (cause) {
    const why = cause instanceof AlreadyExists
      ? "a key of that name exists already, and is never overwritten. Choose another name"
      : messageOf(cause);
    throw new CredentialsError(`Cannot create credentials "${name}" in ${directory}: ${why}`, directory, {
      cause,
    });
  }
  return { fingerprint, privateKeyPath, publicKeyPath };
}
