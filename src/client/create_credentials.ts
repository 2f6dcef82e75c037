/**
 * Makes a new key pair and lists it: apart from `credentials.ts`, which only ever reads.
 */
import { join } from "node:path";
import { CredentialsError, readConfig, safeName } from "./credentials.ts";
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
  directory: string,
  name: string,
  identity: { org: string; principal: string },
  nowMs: number,
): Promise<NewCredentials> {
  const configPath = join(directory, "config.json");
  const privateKeyPath = join(directory, `${safeName(name, configPath)}.key`);
  const publicKeyPath = join(directory, `${name}.pub`);
  const config = await readConfig(configPath) ?? { version: 1, default_credential: name, credentials: {} };
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
    await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(privateKeyPath, privatePem, { createNew: true, mode: 0o600 });
    await Deno.writeTextFile(publicKeyPath, publicPem, { createNew: true, mode: 0o644 });
    // Renamed into place, so that a crash leaves the old listing or the new one; a key that is not listed
    // does no harm.
    const temporaryPath = `${configPath}.tmp-${crypto.randomUUID()}`;
    await Deno.writeTextFile(temporaryPath, JSON.stringify(config, null, 2) + "\n", {
      createNew: true,
      mode: 0o600,
    });
    await Deno.rename(temporaryPath, configPath);
  } catch (cause) {
    const why = cause instanceof Deno.errors.AlreadyExists
      ? "a key of that name exists already, and is never overwritten. Choose another name"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new CredentialsError(`Cannot create credentials "${name}" in ${directory}: ${why}`, directory, {
      cause,
    });
  }
  return { fingerprint, privateKeyPath, publicKeyPath };
}
