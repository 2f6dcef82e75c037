/**
 * Where this run's key pairs lie, and which roles and which directory of authorized keys it was given.
 */
import type { Identity } from "../../../client/create_credentials.ts";
import { credentialsDirectory } from "../../../client/server_client.ts";
import { formatRoles, parseRoles, type Role, ROLES } from "../../../keys/roles.ts";
import { UsageError } from "../../command_error.ts";
import type { Context } from "../../context.ts";

/** Options of the commands that list a new pair. */
export type IdentityOptions = { org?: string; principal?: string };

/** Servers of ours go by the key alone; others may look at these. */
export function identityOf({ org, principal }: IdentityOptions, name: string): Identity {
  return { org: org ?? "default", principal: principal ?? name };
}

export function keyDirectory(settings: { readonly dataDir: string }, context: Context): Promise<string> {
  return credentialsDirectory(settings.dataDir, context);
}

/** @throws {UsageError} */
export function requireAuthorizedKeys(settings: { readonly authorizedKeys: string | undefined }): string {
  if (settings.authorizedKeys !== undefined) return settings.authorizedKeys;
  throw new UsageError(
    "No directory of authorized keys is given: add --authorized-keys=DIR, the one that the server was started with",
  );
}

/** Undefined when none were typed. @throws {UsageError} */
export function rolesOf(typed: readonly string[]): ReadonlySet<Role> | undefined {
  if (typed.length === 0) return undefined;
  const roles = parseRoles(typed.join(","));
  if (roles !== undefined) return roles;
  throw new UsageError(
    `Cannot read --role: expected any of ${ROLES.join(", ")}, found ${JSON.stringify(typed.join(","))}`,
  );
}

/** What a key may do, for people. */
export function spokenRoles(roles: ReadonlySet<Role> | undefined): string {
  return roles === undefined ? "everything, since its file names no roles" : formatRoles(roles);
}
