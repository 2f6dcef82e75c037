/**
 * What a key may do, in the words that the directory of authorized keys and the command line use. Which calls
 * these are, the server says (`server/call_roles.ts`). Pure.
 */

export const ROLES = ["read", "submit", "run", "admin"] as const;
export type Role = (typeof ROLES)[number];

export const ALL_ROLES: ReadonlySet<Role> = new Set(ROLES);

/** Roles separated by commas or blanks, at least one; undefined for any other text. */
export function parseRoles(text: string): ReadonlySet<Role> | undefined {
  const words = text.toLowerCase().split(/[\s,]+/).filter((word) => word !== "");
  const roles = words.map((word) => ROLES.find((role) => role === word));
  if (roles.length === 0 || roles.includes(undefined)) return undefined;
  return new Set(ROLES.filter((role) => roles.includes(role)));
}

export function formatRoles(roles: ReadonlySet<Role>): string {
  return ROLES.filter((role) => roles.has(role)).join(", ");
}
