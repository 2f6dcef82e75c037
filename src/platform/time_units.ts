/**
 * Spans of time by their names. Pure.
 */

export const DAY_MS = 86_400_000;
