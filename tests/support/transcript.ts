/**
 * What an operator typed and saw, in a form that is the same on every machine and in every run: ids,
 * addresses, times, sizes and durations are replaced by words, and columns that depend on their width by two
 * blanks.
 */

export interface TranscriptFacts {
  /** The operator's home directory. */
  readonly home: string;
  /** Whether even the numbers of events differ from run to run, as of a job that is interrupted somewhere. */
  readonly isVarying: boolean;
}

const REPLACEMENTS: readonly (readonly [pattern: RegExp, word: string])[] = [
  [/\/tmp\/airunner-disk-[0-9a-f]+/g, "DISK"],
  [/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, "JOB"],
  [/http:\/\/127\.0\.0\.1:\d+/g, "URL"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: UTC)?/g, "TIME"],
  [/\d[\d,.]* (?:B|KB|MB|GB|TB)\b/g, "SIZE"],
  [/\d[\d,.]* (?:ms|s|min|h|days)\b(?: \d+ (?:s|min)\b)?/g, "SPAN"],
  [/\b(process|kill) \d+/g, "$1 N"],
  [/^(Worker +).*$/gm, "$1NAME, airunner VERSION"],
  [/ {2,}/g, "  "],
  [/ +$/gm, ""],
];

export function normalizeScreen(screen: string, { home, isVarying }: TranscriptFacts): string {
  let text = screen.replaceAll(home, "~");
  for (const [pattern, word] of REPLACEMENTS) text = text.replace(pattern, word);
  if (isVarying) text = text.replace(/\b\d[\d,]*\b/g, "N").replace(/\bN (record|event)s?\b/g, "N $1s");
  return text;
}
