/**
 * Keeps out of messages what somebody may have put where it does not belong. No setting is a secret: keys lie
 * in files of their own. But a refused value is shown, and it may be an address with a password in it, or a
 * key named `Token`.
 */

/** `//user:password@` of an address. */
const USER_INFO = /(?<=\/\/)[^/\s@]+(?=@)/g;

/** A line such as `ApiToken: value`, also with quotes or in braces. */
const SECRET_KEY = /((?:token|secret|passw|passphrase|private|api[_-]?key)[\w.-]*["']?\s*[:=]\s*)(\S.*)$/i;

/** The text with each character of a secret replaced by a star, so that columns stay where they were. */
export function withoutSecrets(text: string): string {
  return text
    .replace(USER_INFO, stars)
    .replace(SECRET_KEY, (_match, key: string, value: string) => key + stars(value));
}

function stars(text: string): string {
  return "*".repeat(text.length);
}
