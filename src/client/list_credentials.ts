/**
 * What key pairs there are, for people: as they are listed, and what of them is missing or does not fit.
 */
import { join } from "node:path";
import { readKeyText } from "../keys/authorized_directory.ts";
import { type PublicKey, readPublicKey } from "../keys/authorized_file.ts";
import { messageOf } from "../platform/error_text.ts";
import { type Files, isMissing } from "../platform/files.ts";
import { pathsOf } from "./create_credentials.ts";
import { type CredentialEntry, readConfig } from "./credentials.ts";
import { CredentialsError } from "./credentials_error.ts";

export interface ListedCredentials {
  readonly name: string;
  readonly isDefault: boolean;
  /** The public key's own; undefined when that cannot be read. */
  readonly fingerprint: string | undefined;
  readonly entry: Partial<CredentialEntry>;
  readonly privateKeyPath: string;
  readonly publicKeyPath: string;
  /** One phrase each: what keeps the pair from being used. */
  readonly faults: readonly string[];
}

/** In the order of their names. @throws {CredentialsError} when the listing cannot be read */
export async function listCredentials(files: Files, directory: string): Promise<ListedCredentials[]> {
  const config = await readConfig(files, join(directory, "config.json"));
  const listed: ListedCredentials[] = [];
  for (const name of Object.keys(config?.credentials ?? {}).sort()) {
    const entry = config!.credentials[name];
    const paths = pathsOf(directory, name);
    const faults = await privateFaults(files, paths.privateKeyPath);
    let fingerprint: string | undefined;
    try {
      ({ fingerprint } = await readPublicKey(await readKeyText(files, paths.publicKeyPath)));
      if (entry.fingerprint !== undefined && entry.fingerprint !== fingerprint) {
        faults.push(`${name}.pub is another key than config.json lists`);
      }
    } catch (error) {
      faults.push(isMissing(error) ? `${name}.pub is missing` : `${name}.pub: ${messageOf(error)}`);
    }
    listed.push({
      name,
      isDefault: config!.default_credential === name,
      fingerprint: fingerprint ?? entry.fingerprint,
      entry,
      ...paths,
      faults,
    });
  }
  return listed;
}

/** The listed pair of that name. @throws {CredentialsError} */
export async function findListed(files: Files, directory: string, name: string): Promise<ListedCredentials> {
  const listed = await listCredentials(files, directory);
  const found = listed.find((pair) => pair.name === name);
  if (found !== undefined) return found;
  const known = listed.map((pair) => pair.name).join(", ") || "none";
  const path = join(directory, "config.json");
  throw new CredentialsError(`${path} lists no key pair "${name}". It lists: ${known}`, path);
}

/** The public half of a listed pair. @throws {CredentialsError} */
export async function publicKeyOf(
  files: Files,
  { name, publicKeyPath }: ListedCredentials,
): Promise<PublicKey> {
  try {
    return await readPublicKey(await readKeyText(files, publicKeyPath));
  } catch (cause) {
    throw new CredentialsError(
      `The public key of "${name}" cannot be read: ${publicKeyPath}: ${
        isMissing(cause) ? "no such file" : messageOf(cause)
      }. With the private key there, this makes it again: openssl pkey -in ${name}.key -pubout -out ${name}.pub`,
      publicKeyPath,
      { cause },
    );
  }
}

async function privateFaults(files: Files, path: string): Promise<string[]> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  try {
    const { mode } = await files.stat(path);
    return ((mode ?? 0) & 0o077) === 0 ? [] : [`others may read ${name}`];
  } catch (error) {
    return [isMissing(error) ? `${name} is missing` : `${name}: ${messageOf(error)}`];
  }
}
