/**
 * What is wrong with a YAML document, place by place: all of it at once, because whoever mends a file does
 * not want to be told of its mistakes one by one.
 */
import { withoutSecrets } from "./secrets.ts";

/** `line` and `column` start at 1. */
export interface YamlProblem {
  readonly line: number;
  readonly column: number;
  readonly reason: string;
  /** The offending line of the document with a caret below the place. */
  readonly excerpt: string;
}

/** The document cannot be used. Its own line, column, reason and excerpt are those of its first problem. */
export class YamlError extends Error {
  override name = "YamlError";
  readonly line: number;
  readonly column: number;
  readonly reason: string;
  readonly excerpt: string;

  constructor(
    readonly path: string,
    /** In the order of the document; at least one. */
    readonly problems: readonly YamlProblem[],
    options?: ErrorOptions,
  ) {
    const [first] = problems;
    super(`${path}, line ${first.line}, column ${first.column}: ${first.reason}`, options);
    ({ line: this.line, column: this.column, reason: this.reason, excerpt: this.excerpt } = first);
  }
}

/** A line longer than this is shown from a little before the place. */
const EXCERPT_CHARACTERS_MAX = 100;
const EXCERPT_LEAD_CHARACTERS = 30;

/**
 * The line with a caret below the column. Each character takes one column, so that the caret lands below its
 * own.
 */
export function excerptOf(line: string, column: number): string {
  const at = Math.min(column - 1, line.length);
  const start = line.length > EXCERPT_CHARACTERS_MAX ? Math.max(0, at - EXCERPT_LEAD_CHARACTERS) : 0;
  // Masked as a whole: cut first, a password could lose the name that gives it away.
  const shown = withoutSecrets(line).slice(start, start + EXCERPT_CHARACTERS_MAX).trimEnd();
  // deno-lint-ignore no-control-regex -- a tab or an escape would move the caret
  return `${shown.replace(/[\u0000-\u001f]/g, " ")}\n${" ".repeat(at - start)}^`;
}
