/**
 * What was thrown, in words: whatever it is, because anything can be thrown.
 */

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
