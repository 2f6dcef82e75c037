/**
 * The names that keys have: they become file names, and may come from another machine. Pure.
 */

/** Completes "a name …". */
export const KEY_NAME_RULE = "is made of letters, digits and . _ @ - and begins with none of . @ -";

export function isKeyName(name: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9._@-]{0,127}$/.test(name);
}

/** Enough of a fingerprint to tell a few keys of one name apart. */
const FINGERPRINT_PART = 8;

/** The name of a key that another of its name has taken the place of, or stands beside. */
export function nameBeside(name: string, fingerprint: string): string {
  return `${name}.${fingerprint.slice(0, FINGERPRINT_PART)}`;
}

/** Whether `candidate` is `name`, or was made of it by `nameBeside`. */
export function isNameOf(name: string, candidate: string): boolean {
  if (candidate === name) return true;
  const rest = candidate.startsWith(`${name}.`) ? candidate.slice(name.length + 1) : "";
  return /^[1-9A-HJ-NP-Za-km-z]{8}$/.test(rest);
}
