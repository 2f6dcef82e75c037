/**
 * Changes the directory of authorized keys: a key in, a key out, each at once or not at all, so that a server
 * which looks at the directory at that moment sees the one or the other.
 */
import { join } from "node:path";
import type { Files } from "../platform/files.ts";
import { isMissing } from "../platform/files.ts";
import { writeSmallFile } from "../platform/small_file.ts";
import { type AuthorizedEntry, readAuthorizedDirectory } from "./authorized_directory.ts";
import { formatAuthorizedFile, type PublicKey } from "./authorized_file.ts";
import { isNameOf, nameBeside } from "./key_name.ts";
import type { Role } from "./roles.ts";

/** Servers may run as another user than who changes the directory; public keys are no secret. */
const PERMISSIONS = 0o644;

export interface Authorization {
  readonly name: string;
  readonly key: PublicKey;
  /** Undefined: those of a key of the same name that is there, or else all. */
  readonly roles: ReadonlySet<Role> | undefined;
  /** Replace what is said of the key, or what cannot be read under its name. */
  readonly force: boolean;
}

export type Authorized =
  | {
    readonly outcome: "new" | "changed" | "same";
    readonly path: string;
    /** As the file says them. */
    readonly roles: ReadonlySet<Role> | undefined;
    /** The key of the same name that it stands beside. */
    readonly beside: AuthorizedEntry | undefined;
  }
  /** Nothing was changed: `force` would. */
  | { readonly outcome: "other_roles"; readonly found: AuthorizedEntry }
  | { readonly outcome: "unusable"; readonly path: string; readonly reason: string };

/** @throws the system's error when the directory cannot be read or written */
export async function authorizeKey(
  files: Files,
  directory: string,
  wanted: Authorization,
): Promise<Authorized> {
  await makeReadable(files, directory);
  const { keys, unusable } = await readAuthorizedDirectory(files, directory);
  const found = keys.find(({ fingerprint }) => fingerprint === wanted.key.fingerprint);
  const write = async (path: string, roles: ReadonlySet<Role> | undefined, replace: boolean) => {
    const text = formatAuthorizedFile(wanted.key.pem, roles);
    if (await writeSmallFile({ files, path, text, permissions: PERMISSIONS, replace })) return;
    throw new Error(`somebody made ${path} at this moment`);
  };
  if (found !== undefined) {
    const said = found.saysRoles ? found.roles : undefined;
    if (wanted.roles === undefined || isSame(wanted.roles, said)) {
      return { outcome: "same", path: found.path, roles: said, beside: undefined };
    }
    if (!wanted.force) return { outcome: "other_roles", found };
    await write(found.path, wanted.roles, true);
    return { outcome: "changed", path: found.path, roles: wanted.roles, beside: undefined };
  }
  const own = join(directory, `${wanted.name}.pub`);
  const broken = unusable.find(({ path }) => path === own);
  if (broken !== undefined && !wanted.force) return { outcome: "unusable", ...broken };
  const beside = keys.find(({ path }) => path === own);
  const path = beside === undefined
    ? own
    : join(directory, `${nameBeside(wanted.name, wanted.key.fingerprint)}.pub`);
  const roles = wanted.roles ?? (beside?.saysRoles ? beside.roles : undefined);
  await write(path, roles, broken !== undefined);
  return { outcome: "new", path, roles, beside };
}

/** A directory that is made here is for the server's user to read, whoever makes it. */
async function makeReadable(files: Files, directory: string): Promise<void> {
  try {
    await files.stat(directory);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await files.makeDirectory(directory);
    await files.setPermissions(directory, 0o755);
  }
}

export type Revoked =
  /** Every file of the key is gone; `paths` of what never was a key, when the name led to such a file. */
  | {
    readonly outcome: "revoked";
    readonly fingerprint: string | undefined;
    readonly paths: readonly string[];
  }
  | { readonly outcome: "unknown"; readonly keys: readonly AuthorizedEntry[] }
  /** The name stands for more than one key. */
  | { readonly outcome: "several"; readonly keys: readonly AuthorizedEntry[] };

/** `subject`: a fingerprint, or a name. @throws the system's error */
export async function revokeKey(files: Files, directory: string, subject: string): Promise<Revoked> {
  const { keys, unusable } = await readAuthorizedDirectory(files, directory);
  let revoked = keys.filter(({ fingerprint }) => fingerprint === subject);
  if (revoked.length === 0) {
    const named = keys.filter(({ name }) => isNameOf(subject, name));
    const fingerprints = new Set(named.map(({ fingerprint }) => fingerprint));
    if (fingerprints.size > 1) return { outcome: "several", keys: named };
    revoked = keys.filter(({ fingerprint }) => fingerprints.has(fingerprint));
  }
  const broken = unusable.filter(({ path }) => path === join(directory, `${subject}.pub`));
  const paths = [...revoked, ...broken].map(({ path }) => path);
  if (paths.length === 0) return { outcome: "unknown", keys };
  for (const path of paths) {
    await files.remove(path).catch((error) => {
      // Somebody else removed it at the same time.
      if (!isMissing(error)) throw error;
    });
  }
  await files.syncDirectory(directory);
  return { outcome: "revoked", fingerprint: revoked[0]?.fingerprint, paths };
}

function isSame(a: ReadonlySet<Role>, b: ReadonlySet<Role> | undefined): boolean {
  return b !== undefined && a.size === b.size && [...a].every((role) => b.has(role));
}
